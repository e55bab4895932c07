import type { LedgerSql } from './platform.ts'

/** SQLite of one AuditLedger. `docs/storage.md` says what each column is and how long it lives. */
export function createTables(sql: LedgerSql): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS ledger (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    tenant_id TEXT NOT NULL,
    audit_share BLOB NOT NULL,
    release_share BLOB NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    at INTEGER NOT NULL,
    flushed_seq INTEGER NOT NULL,
    released_since_birth INTEGER NOT NULL,
    behind INTEGER NOT NULL,
    frozen_reason TEXT,
    frozen_at INTEGER
  )`)
  sql.exec(`CREATE TABLE IF NOT EXISTS rows (
    seq INTEGER PRIMARY KEY,
    row_id TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    at INTEGER NOT NULL,
    key_version INTEGER NOT NULL,
    previous_hash BLOB NOT NULL,
    actor_tag BLOB NOT NULL,
    action_tag BLOB NOT NULL,
    target_tag BLOB NOT NULL,
    sealed BLOB NOT NULL,
    hash BLOB NOT NULL,
    fed_at INTEGER
  )`)
  sql.exec(`CREATE TABLE IF NOT EXISTS releases (
    door TEXT NOT NULL,
    hour INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (door, hour)
  ) WITHOUT ROWID`)
  sql.exec(`CREATE TABLE IF NOT EXISTS incidents (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    seq INTEGER NOT NULL,
    detail TEXT NOT NULL,
    at INTEGER NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, seq)
  )`)
  sql.exec(`CREATE TABLE IF NOT EXISTS restored (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    birth_hash BLOB NOT NULL,
    proof_row TEXT,
    outcome_row TEXT
  )`)
}

export type LedgerColumns = {
  tenant_id: string
  audit_share: ArrayBuffer
  release_share: ArrayBuffer
  seq: number
  hash: ArrayBuffer
  epoch: number
  at: number
  flushed_seq: number
  released_since_birth: number
  behind: number
  frozen_reason: string | null
  frozen_at: number | null
}

export type RowColumns = {
  seq: number
  row_id: string
  epoch: number
  at: number
  key_version: number
  previous_hash: ArrayBuffer
  actor_tag: ArrayBuffer
  action_tag: ArrayBuffer
  target_tag: ArrayBuffer
  sealed: ArrayBuffer
  hash: ArrayBuffer
  fed_at: number | null
}

export type IncidentColumns = { id: string; kind: string; seq: number; detail: string; at: number }

/** A ledger whose shares came from a backup. The two rows are there until the shares have proved themselves. */
export type RestoredColumns = { birth_hash: ArrayBuffer; proof_row: string | null; outcome_row: string | null }
