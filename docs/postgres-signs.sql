-- Has a PostgreSQL warehouse tell the gateway which rows others touch, so that views stay refreshed BY_KEY.
-- Run it once, as the gateway's role, which owns the schema gateway:   psql "$WAREHOUSE_URL" -f postgres-signs.sql
-- Then, for each table, as its owner (who needs GRANT USAGE ON SCHEMA gateway), with the columns that views are keyed by:
--   SELECT gateway.follow('sales.orders', 'user_id');
-- To end it:  SELECT gateway.unfollow('sales.orders');

CREATE TABLE IF NOT EXISTS gateway.table_change (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_schema text NOT NULL,
  table_name text NOT NULL,
  keys jsonb,            -- of the rows that were touched; null: any row may be among them
  changed_at timestamptz NOT NULL DEFAULT now()
);

-- Once for each statement that writes, in that statement's transaction: what is rolled back is never told.
CREATE OR REPLACE FUNCTION gateway.note_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  most CONSTANT int := 10000;
  pairs text;
  touched text;
  keys jsonb;
BEGIN
  -- What the gateway writes itself it knows.
  IF current_setting('gateway.own', true) = 'on' THEN RETURN NULL; END IF;
  IF TG_OP <> 'TRUNCATE' AND TG_NARGS > 0 THEN
    SELECT string_agg(format('%L, %I', name, name), ', ') INTO pairs FROM unnest(TG_ARGV) name;
    touched := CASE TG_OP WHEN 'INSERT' THEN 'TABLE new_rows' WHEN 'DELETE' THEN 'TABLE old_rows'
      ELSE 'TABLE new_rows UNION ALL TABLE old_rows' END;
    EXECUTE format('SELECT coalesce(jsonb_agg(key), ''[]'') FROM
      (SELECT DISTINCT jsonb_build_object(%s) AS key FROM (%s) touched LIMIT %s) found', pairs, touched, most + 1)
      INTO keys;
    IF jsonb_array_length(keys) = 0 THEN RETURN NULL; END IF;
    IF jsonb_array_length(keys) > most THEN keys := NULL; END IF;
  END IF;
  INSERT INTO gateway.table_change (table_schema, table_name, keys) VALUES (TG_TABLE_SCHEMA, TG_TABLE_NAME, keys);
  PERFORM pg_notify('gateway_table_change', '');
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION gateway.unfollow(followed regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE event text;
BEGIN
  FOREACH event IN ARRAY ARRAY['insert', 'update', 'delete', 'truncate'] LOOP
    EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', 'gateway_' || event, followed);
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION gateway.follow(followed regclass, VARIADIC key_columns text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  event text;
  rows_of jsonb := '{"insert": "REFERENCING NEW TABLE AS new_rows", "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": "REFERENCING OLD TABLE AS old_rows", "truncate": ""}';
  arguments text;
BEGIN
  SELECT coalesce(string_agg(quote_literal(name), ', '), '') INTO arguments FROM unnest(key_columns) name;
  PERFORM gateway.unfollow(followed);
  FOR event IN SELECT jsonb_object_keys(rows_of) LOOP
    EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION gateway.note_change(%s)',
      'gateway_' || event, event, followed, rows_of ->> event, arguments);
  END LOOP;
END $$;
