-- What people write is held by entries of the audit, as answers are: each row of these tables names
-- the act that vouches for it. A row of a release before names none.
ALTER TABLE labels
    ADD COLUMN chain uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD COLUMN sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE list_entries
    ADD COLUMN chain uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD COLUMN sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE access_log
    ADD COLUMN chain uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD COLUMN sequence bigint NOT NULL DEFAULT 0;

-- Chains of acts, which whoever acts next may go on with; there are as many as act at once.
ALTER TABLE chains ADD COLUMN open boolean NOT NULL DEFAULT false;
CREATE INDEX chains_open ON chains (chain) WHERE open;
