-- Flow 3: rows that Postgres acknowledged and then lost, put back by an operator's recorded act. The function takes a row
-- back only where the chain that is left names it: by the previous hash of the row behind it, or by the head. No other row
-- fits that hash, so whoever may call this can add nothing that was not there, and repairs go from the newest gap down.
--   FW130 the row is beyond the head (the ordinary way in is an INSERT), FW131 the act is not stored,
--   FW132 nothing names the row's hash.
create function flarewatch.refeed_audit_row(
  act_seq bigint,
  act_row_id uuid,
  tenant_id uuid,
  epoch integer,
  seq bigint,
  row_id uuid,
  at timestamptz,
  key_version integer,
  previous_hash bytea,
  actor_tag bytea,
  action_tag bytea,
  target_tag bytea,
  sealed bytea,
  hash bytea
) returns boolean
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  head flarewatch.audit_heads;
  missing constant uuid := tenant_id;
  named bytea;
begin
  select * into head from flarewatch.audit_heads where audit_heads.tenant_id = missing for update;
  if head.seq is null or seq > head.seq then
    perform flarewatch.refuse_audit_row('FW130', 'audit_row_beyond_head', tenant_id, seq);
  end if;
  -- What is stored stays, right or wrong: a rewritten row is for people to judge.
  if exists (select from flarewatch.audit_log as stored where stored.tenant_id = missing and stored.seq = refeed_audit_row.seq) then
    return false;
  end if;
  if seq >= act_seq or not exists (
    select from flarewatch.audit_log as act
    where act.tenant_id = missing and act.seq = act_seq and act.row_id = act_row_id
  ) then
    perform flarewatch.refuse_audit_row('FW131', 'audit_act_missing', tenant_id, seq);
  end if;
  if seq = head.seq then
    named := head.hash;
  else
    select behind.previous_hash into named from flarewatch.audit_log as behind
    where behind.tenant_id = missing and behind.seq = refeed_audit_row.seq + 1;
  end if;
  if named is distinct from hash then
    perform flarewatch.refuse_audit_row('FW132', 'audit_row_not_named', tenant_id, seq);
  end if;

  -- The head steps back to the row in front, so that the one trigger judges this row as it judges every other; the lock
  -- above keeps this from all others until the head is back.
  update flarewatch.audit_heads
  set seq = refeed_audit_row.seq - 1, hash = refeed_audit_row.previous_hash, epoch = 0, at = '-infinity'
  where audit_heads.tenant_id = missing;
  insert into flarewatch.audit_log (
    tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed, hash
  )
  values (
    tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed, hash
  );
  update flarewatch.audit_heads set seq = head.seq, hash = head.hash, epoch = head.epoch, at = head.at
  where audit_heads.tenant_id = missing;
  return true;
end
$$;

revoke execute on function flarewatch.refeed_audit_row(
  bigint, uuid, uuid, integer, bigint, uuid, timestamptz, integer, bytea, bytea, bytea, bytea, bytea, bytea
) from public;
grant execute on function flarewatch.refeed_audit_row(
  bigint, uuid, uuid, integer, bigint, uuid, timestamptz, integer, bytea, bytea, bytea, bytea, bytea, bytea
) to flarewatch_ledger;
