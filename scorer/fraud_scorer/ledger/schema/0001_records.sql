-- Entries of the chains, what is read out of them, labels, and who looked. Times are UTC.
--
-- What is written once an answer is partitioned by month of recorded_at, which is our clock's: the
-- event's own time comes from callers and may be anything.

-- One row for each process that ever recorded. `delivered` is the number of its entries that are
-- here and `hash` that of the last of them; both change in the transaction that adds entries.
CREATE TABLE chains (
    chain uuid PRIMARY KEY,
    detector text NOT NULL,
    pod text NOT NULL,
    began_at timestamptz NOT NULL,
    delivered bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL,
    sealed integer NOT NULL DEFAULT 0
);

-- The entries: `body` is what was hashed, byte by byte.
CREATE TABLE audit (
    recorded_at timestamptz NOT NULL,
    chain uuid NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL,
    body text NOT NULL,
    hash bytea NOT NULL,
    UNIQUE (chain, sequence, recorded_at)
) PARTITION BY RANGE (recorded_at);

-- What was asked about. `personal` is what the entry commits to with `salt`; it and all that is read
-- out of it is NULL once its person was erased.
CREATE TABLE transactions (
    recorded_at timestamptz NOT NULL,
    transaction_id text NOT NULL,
    user_id text,
    "timestamp" timestamptz,
    amount_minor bigint,
    currency text,
    entities jsonb,
    personal text,
    salt bytea,
    chain uuid NOT NULL,
    sequence bigint NOT NULL
) PARTITION BY RANGE (recorded_at);

CREATE INDEX transactions_transaction_id ON transactions (transaction_id);
-- A user's history, newest first: one index for the condition and the order.
CREATE INDEX transactions_user_id ON transactions (user_id, "timestamp" DESC);
CREATE INDEX transactions_timestamp ON transactions ("timestamp");

-- `fraud_score` is NULL where no model could be had; `rule` is what decided where it was not the
-- thresholds. `propensity`: the share of what `would` be declined that is approved at random, where
-- this was drawn for.
CREATE TABLE predictions (
    recorded_at timestamptz NOT NULL,
    transaction_id text NOT NULL,
    prediction_id text NOT NULL,
    role text NOT NULL CHECK (role IN ('active', 'candidate', 'shadow')),
    fraud_score double precision,
    decision text NOT NULL CHECK (decision IN ('approve', 'review', 'decline')),
    rule text,
    would text,
    propensity double precision,
    model text NOT NULL,
    version text NOT NULL,
    chain uuid NOT NULL,
    sequence bigint NOT NULL
) PARTITION BY RANGE (recorded_at);

CREATE INDEX predictions_transaction_id ON predictions (transaction_id);
CREATE INDEX predictions_fraud_score ON predictions (fraud_score);
-- Few predictions have these, and those who measure recall, or count what lists did, want no other.
CREATE INDEX predictions_propensity ON predictions (recorded_at) WHERE propensity IS NOT NULL;
CREATE INDEX predictions_rule ON predictions (rule, recorded_at) WHERE rule IS NOT NULL;

-- What turned out to be true. A later label does not replace an earlier one: each says what its
-- source knew at `observed_at`.
CREATE TABLE labels (
    transaction_id text NOT NULL,
    label text NOT NULL CHECK (label IN ('chargeback', 'confirmed', 'cleared')),
    event_time timestamptz NOT NULL,
    observed_at timestamptz NOT NULL,
    source text NOT NULL,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (transaction_id, label, source, event_time, observed_at)
);
CREATE INDEX labels_observed_at ON labels (observed_at);

-- What is told of an entity from elsewhere (a customer's country, a terminal's kind), as of a time.
CREATE TABLE entity_attributes (
    entity_kind text NOT NULL,
    entity_id text NOT NULL,
    name text NOT NULL,
    value jsonb NOT NULL,
    observed_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX entity_attributes_entity
    ON entity_attributes (entity_kind, entity_id, name, observed_at DESC);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: add another row that says what is known now', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labels
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Who looked at what.
CREATE TABLE access_log (
    accessed_at timestamptz NOT NULL DEFAULT now(),
    principal text NOT NULL,
    action text NOT NULL,
    about text NOT NULL,
    found integer NOT NULL
) PARTITION BY RANGE (accessed_at);
CREATE INDEX access_log_about ON access_log (about, accessed_at);

-- Requests that must have an effect once, by the caller's key. `scope` is the route.
CREATE TABLE idempotency_keys (
    scope text NOT NULL,
    key text NOT NULL,
    request_sha256 bytea NOT NULL,
    answer text,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_claimed_at ON idempotency_keys (claimed_at);

-- The key under which a person's data lies in the archive. Without its row nobody can read it.
CREATE TABLE subject_keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    subject text NOT NULL UNIQUE,
    key bytea NOT NULL
);

-- Who was erased, by a digest, so that what arrives later of the time before is erased as well.
CREATE TABLE erasures (
    subject_sha256 bytea NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subject_sha256, erased_at)
);
CREATE INDEX erasures_erased_at ON erasures (erased_at);

-- Makes one month's partitions. A partition is made aside and then attached, as that blocks neither
-- readers nor writers. Those who may only add rows may call it.
CREATE FUNCTION make_partitions(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    low date := date_trunc('month', month)::date;
    high date := (date_trunc('month', month) + interval '1 month')::date;
    parent text;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('fraudops.partitions'));
    FOREACH parent IN ARRAY ARRAY['audit', 'transactions', 'predictions', 'access_log'] LOOP
        part := parent || to_char(low, '_YYYY_MM');
        IF to_regclass(part) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                           part, parent);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           parent, part, low, high);
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION make_partitions(date) FROM PUBLIC;
