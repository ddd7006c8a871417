-- Allow and deny lists, as what was said about them: words are added and never changed. Of a list and
-- an entity the latest word holds. Words get their numbers in the order of their commits, so that
-- whoever has read up to a number lacks nothing before it.
CREATE TABLE list_entries (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list text NOT NULL CHECK (list IN ('allow', 'deny')),
    action text NOT NULL CHECK (action IN ('add', 'remove')),
    entity_kind text NOT NULL,
    entity_id text NOT NULL,
    expires_at timestamptz,
    reason text NOT NULL,
    said_by text NOT NULL,
    said_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX list_entries_entity ON list_entries (entity_kind, entity_id, list, number);
-- Only the owner may delete, for the sake of a person who is erased.
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON list_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
