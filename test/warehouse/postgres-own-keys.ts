// Tables of a user's own on PostgreSQL: keys that are not stored as they are given, and what else happens to rows on their way in.

import type { OwnKey } from '../contract/own-tables.ts'

export const uuid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'

const trigger = (name: string, when: string, body: string) => `
  CREATE FUNCTION ${name}_does() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$;
  CREATE TRIGGER ${name}_fires ${when} EXECUTE FUNCTION ${name}_does();`

/** `ddl` makes what it is of, in feature_store. */
export const keys: readonly (OwnKey & { ddl: string })[] = [
  {
    name: 'k_uuid',
    ddl: 'CREATE TABLE k_uuid (k uuid, v int)',
    rows: [{ k: uuid.toUpperCase() }, { k: `{${uuid}}` }, { k: uuid.replaceAll('-', '') }, { k: null }],
    stored: [uuid],
    toldAgain: false,
  },
  {
    name: 'k_uuid_canonical',
    ddl: 'CREATE TABLE k_uuid_canonical (k uuid)',
    rows: [{ k: uuid }],
    stored: [uuid],
  },
  {
    name: 'k_char',
    ddl: 'CREATE TABLE k_char (k char(4))',
    rows: [{ k: 'ab ' }, { k: 'ab' }, { k: 'c' }],
    stored: ['ab', 'c'],
    toldAgain: false,
  },
  {
    name: 'k_varchar',
    ddl: 'CREATE TABLE k_varchar (k varchar(3))',
    rows: [{ k: 'abc  ' }, { k: 'a ' }],
    stored: ['abc', 'a '],
    toldAgain: false,
  },
  {
    name: 'k_seconds',
    ddl: 'CREATE TABLE k_seconds (k timestamp(0))',
    rows: [{ k: '2026-01-02T03:04:05.4Z' }, { k: '2026-01-02T03:04:05.5Z' }],
    stored: ['2026-01-02T03:04:05Z', '2026-01-02T03:04:06Z'],
    toldAgain: false,
  },
  {
    name: 'k_moment',
    ddl: 'CREATE TABLE k_moment (k timestamptz(3))',
    rows: [{ k: '2026-01-02T03:04:05.0004Z' }, { k: '2026-01-02T05:04:05.0006+02:00' }],
    stored: ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.001Z'],
    toldAgain: false,
  },
  {
    name: 'k_numeric',
    ddl: 'CREATE TABLE k_numeric (k numeric(9,2))',
    rows: [{ k: '1.50' }, { k: 1.5 }],
    stored: [1.5],
  },
  {
    name: 'k_hundreds',
    ddl: 'CREATE TABLE k_hundreds (k numeric(3,-2))',
    rows: [{ k: 12_345 }],
    stored: [12_300],
    toldAgain: false,
  },
  {
    name: 'k_real',
    ddl: 'CREATE TABLE k_real (k real)',
    rows: [{ k: 0.1 }],
    stored: [Math.fround(0.1)],
    toldAgain: false,
  },
  {
    name: 'k_domain',
    ddl: "CREATE DOMAIN short AS varchar(2); CREATE TABLE k_domain (k short DEFAULT 'no')",
    rows: [{ k: 'ab   ' }],
    stored: ['ab'],
    toldAgain: false,
  },
  {
    name: 'k_domain_default',
    ddl: "CREATE DOMAIN named AS text DEFAULT 'none'; CREATE TABLE k_domain_default (k named, v int)",
    rows: [{ v: 1 }],
    stored: ['none'],
    toldAgain: false,
  },
  {
    name: 'k_inet',
    ddl: 'CREATE TABLE k_inet (k inet)',
    rows: [{ k: '10.0.0.1/32' }],
    stored: ['10.0.0.1'],
    toldAgain: false,
  },
  {
    name: 'k_enum',
    ddl: 'CREATE TABLE k_enum (k mood)',
    rows: [{ k: 'happy' }],
    stored: ['happy'],
    toldAgain: false,
  },
  {
    name: 'k_default',
    ddl: "CREATE TABLE k_default (k text DEFAULT 'none', v int)",
    rows: [{ v: 1 }, { k: 'x', v: 2 }, { k: null }],
    stored: ['none', 'x'],
    toldAgain: false,
  },
  {
    name: 'k_identity',
    ddl: 'CREATE TABLE k_identity (k int GENERATED ALWAYS AS IDENTITY, v int)',
    rows: [{ v: 1 }, { v: 2 }, { k: 7 }],
    stored: [1, 2, 7],
    toldAgain: false,
  },
  {
    name: 'k_computed',
    ddl: 'CREATE TABLE k_computed (v text, k text GENERATED ALWAYS AS (lower(v)) STORED)',
    rows: [{ v: 'A' }],
    stored: ['a'],
    toldAgain: false,
  },
  { name: 'k_left_out', ddl: 'CREATE TABLE k_left_out (k text, v int)', rows: [{ v: 1 }], stored: [] },
  {
    name: 'k_lowered',
    ddl: `CREATE TABLE k_lowered (k text NOT NULL, v int);${trigger('lower', 'BEFORE INSERT ON k_lowered FOR EACH ROW', "NEW.k := coalesce(lower(NEW.k), 'none'); RETURN NEW;")}`,
    rows: [{ k: 'ABC' }, { v: 1 }],
    stored: ['abc', 'none'],
    toldAgain: false,
  },
  {
    name: 'k_dropped',
    ddl: `CREATE TABLE k_dropped (k text);${trigger('drop_some', 'BEFORE INSERT ON k_dropped FOR EACH ROW', "IF NEW.k = 'x' THEN RETURN NULL; END IF; RETURN NEW;")}`,
    rows: [{ k: 'x' }, { k: 'y' }],
    stored: ['y'],
    toldAgain: false,
  },
  {
    name: 'k_copied',
    ddl: `CREATE TABLE copies (k text); CREATE TABLE k_copied (k text);${trigger('copy_it', 'AFTER INSERT ON k_copied FOR EACH ROW', 'INSERT INTO feature_store.copies VALUES (NEW.k); RETURN NULL;')}`,
    rows: [{ k: 'x' }],
    stored: ['x'],
    toldAgain: false,
    others: ['copies'],
  },
  {
    name: 'k_deferred',
    ddl: `CREATE TABLE later (k text); CREATE TABLE k_deferred (k text);${trigger('put_off', 'AFTER INSERT ON k_deferred FOR EACH STATEMENT', 'RETURN NULL;')}
      CREATE FUNCTION later_does() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE feature_store.later; RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER later_fires AFTER INSERT ON k_deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION later_does()`,
    rows: [{ k: 'x' }],
    stored: ['x'],
    toldAgain: false,
    others: ['later'],
  },
  {
    name: 'k_rewritten',
    ddl: `CREATE TABLE k_rewritten (k text);${trigger('rewrite', 'AFTER INSERT ON k_rewritten FOR EACH ROW', "UPDATE feature_store.k_rewritten SET k = 'other' WHERE k = NEW.k; RETURN NULL;")}`,
    rows: [{ k: 'x' }],
    stored: null,
  },
  {
    name: 'k_emptied',
    ddl: `CREATE TABLE k_emptied (k text); INSERT INTO k_emptied VALUES ('old');${trigger('empty_it', 'BEFORE INSERT ON k_emptied FOR EACH STATEMENT', 'DELETE FROM feature_store.k_emptied; RETURN NULL;')}`,
    rows: [{ k: 'x' }],
    stored: null,
  },
  {
    name: 'k_doubled',
    ddl: `CREATE TABLE k_doubled (k text);${trigger('double_it', 'AFTER INSERT ON k_doubled FOR EACH ROW', "IF pg_trigger_depth() = 1 THEN INSERT INTO feature_store.k_doubled VALUES (NEW.k || '2'); END IF; RETURN NULL;")}`,
    rows: [{ k: 'x' }],
    stored: null,
  },
  {
    name: 'k_ruled',
    ddl: 'CREATE TABLE ruled (k text); CREATE TABLE k_ruled (k text); CREATE RULE rule_too AS ON INSERT TO k_ruled DO ALSO INSERT INTO ruled VALUES (NEW.k)',
    rows: [{ k: 'x' }],
    stored: null,
    others: ['ruled'],
  },
  {
    name: 'k_view',
    ddl: 'CREATE TABLE behind (k text, v int DEFAULT 5); CREATE VIEW k_view AS SELECT k, v, v + 1 AS more FROM behind',
    rows: [{ k: 'x' }],
    stored: null,
    others: ['behind'],
  },
  {
    name: 'k_parted',
    ddl: 'CREATE TABLE k_parted (k text, v int) PARTITION BY LIST (v); CREATE TABLE k_parted_1 PARTITION OF k_parted FOR VALUES IN (1); CREATE TABLE k_parted_2 PARTITION OF k_parted FOR VALUES IN (2)',
    rows: [{ k: 'x', v: 1 }],
    stored: ['x'],
    others: ['k_parted_1', 'k_parted_2'],
  },
  {
    name: 'k_parted_2',
    ddl: 'SELECT 1',
    rows: [{ k: 'y', v: 2 }],
    stored: ['y'],
    others: ['k_parted'],
  },
  {
    name: 'k_parted_bent',
    ddl: `CREATE TABLE k_parted_bent (k text, v int) PARTITION BY LIST (v); CREATE TABLE k_bent_1 PARTITION OF k_parted_bent FOR VALUES IN (1);
      ${trigger('bend', 'BEFORE INSERT ON k_bent_1 FOR EACH ROW', 'NEW.k := upper(NEW.k); RETURN NEW;')}`,
    rows: [{ k: 'x', v: 1 }],
    stored: ['X'],
    toldAgain: false,
    others: ['k_bent_1'],
  },
  {
    name: 'k_child',
    ddl: `CREATE TABLE k_parent (k text); CREATE TABLE k_child () INHERITS (k_parent);${trigger('tell_parent', 'AFTER INSERT ON k_child FOR EACH ROW', "INSERT INTO feature_store.k_parent VALUES ('p' || NEW.k); RETURN NULL;")}`,
    rows: [{ k: 'x' }],
    stored: ['x'],
    toldAgain: false,
    others: ['k_parent'],
  },
  {
    name: 'k_left',
    ddl: `CREATE TABLE k_both (k text, v int) PARTITION BY LIST (v); CREATE TABLE k_left PARTITION OF k_both FOR VALUES IN (1); CREATE TABLE k_right PARTITION OF k_both FOR VALUES IN (2);
      ${trigger('tell_right', 'AFTER INSERT ON k_left FOR EACH ROW', "INSERT INTO feature_store.k_right VALUES ('r' || NEW.k, 2); RETURN NULL;")}`,
    rows: [{ k: 'x', v: 1 }],
    stored: ['x'],
    toldAgain: false,
    others: ['k_both', 'k_right'],
  },
  { name: 'k_case', ddl: 'CREATE TABLE k_case ("K" text)', rows: [{ K: 'x' }], stored: ['x'] },
]

/** What they are made of; made in feature_store. */
export const types = `
  CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b text);
  CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE DOMAIN price AS numeric(9,2);
  CREATE SCHEMA feature_store; SET search_path TO feature_store, public;`
