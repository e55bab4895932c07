-- Escapes from the SQL console. Each is one text, after a line that says what must happen:
--   -- N name | parser | postgres
-- parser: `refused` (by the console's own judge, code statement_refused), `invalid` (no SQL, code statement_invalid) or `runs`.
-- postgres, as the tenant's own login with the parser bypassed: `error`, `own` (answers, with rows of this tenant alone), or `ended` (is
-- stopped at the limit). Whatever it is, nothing of the other tenant comes back and nothing is written.
-- In a text, ${other} is the other tenant's id, ${otherSite} its site, ${otherLogin} its login; \u0000 stands for the character.

-- 1 set_config of claims in the select list | refused | own
select set_config('flarewatch.claims', '{"tenant_id":"${other}","aal":"aal2"}', true), name from warehouse.sites
-- 2 set_config of claims in FROM | refused | own
select s.* from set_config('flarewatch.claims', '{"tenant_id":"${other}"}', false) c, warehouse.sites s
-- 3 set_config of claims in WHERE | refused | own
select * from warehouse.sites where set_config('flarewatch.claims', '{"tenant_id":"${other}"}', false) is not null
-- 4 set_config in a CTE that runs first | refused | own
with c as materialized (select set_config('flarewatch.claims', '{"tenant_id":"${other}"}', false) v) select s.*, v from c, warehouse.sites s
-- 5 set_config in ORDER BY | refused | own
select * from warehouse.sites order by set_config('flarewatch.job_id', '${other}', false)
-- 6 set_config in LIMIT | refused | own
select * from warehouse.sites limit length(set_config('flarewatch.claims', '{}', false))
-- 7 set_config in a lateral join | refused | own
select * from warehouse.sites s cross join lateral (select set_config('flarewatch.at', s.name, false)) x
-- 8 set_config in a filter of an aggregate | refused | own
select count(*) filter (where set_config('flarewatch.claims', '{}', false) is not null) from warehouse.sites
-- 9 set_config by its full name | refused | own
select pg_catalog.set_config('flarewatch.claims', '{"tenant_id":"${other}"}', false) from warehouse.sites
-- 10 set_config of the role | refused | error
select set_config('role', 'flarewatch_gateway', false), count(*) from warehouse.sites
-- 11 set_config of the role to the group | refused | error
select set_config('role', 'flarewatch_console', false)
-- 12 set_config of the session's user | refused | error
select set_config('session_authorization', '${otherLogin}', false)
-- 13 set_config of the time limit | refused | own
select set_config('statement_timeout', '0', false), name from warehouse.sites
-- 14 set_config of read only | refused | error
select set_config('transaction_read_only', 'off', true), name from warehouse.sites
-- 15 set_config of row security | refused | own
select set_config('row_security', 'off', false), (select count(*) from warehouse.sites)
-- 16 SET ROLE | refused | error
set role flarewatch_gateway
-- 17 SET ROLE postgres | refused | error
set role postgres
-- 18 SET ROLE to another tenant's login | refused | error
set role ${otherLogin}
-- 19 SET SESSION AUTHORIZATION | refused | error
set session authorization '${otherLogin}'
-- 20 SET of the time limit | refused | own
set statement_timeout = 0
-- 21 RESET ALL | refused | own
reset all
-- 22 RESET SESSION AUTHORIZATION | refused | own
reset session authorization
-- 23 DISCARD ALL | refused | error
discard all
-- 24 SET TRANSACTION READ WRITE | refused | own
set transaction read write
-- 25 SHOW | refused | own
show all
-- 26 two statements | refused | error
select 1; select * from warehouse.sites
-- 27 two statements, the second ends the transaction | refused | error
select 1; commit; set role postgres
-- 28 an empty second statement is one | runs | own
select name from warehouse.sites;
-- 29 nothing but a comment | invalid | ended
-- 30 COMMIT | refused | own
commit
-- 31 BEGIN READ WRITE | refused | own
begin read write
-- 32 ROLLBACK | refused | own
rollback
-- 33 SAVEPOINT | refused | own
savepoint a
-- 34 PREPARE TRANSACTION | refused | error
prepare transaction 'x'
-- 35 COPY to a file | refused | error
copy (select 1) to '/tmp/flarewatch-console'
-- 36 COPY to a program | refused | error
copy (select 1) to program 'id'
-- 37 COPY of a table that is not shown | refused | error
copy flarewatch.credentials to stdout
-- 38 DO | refused | error
do $$ begin insert into flarewatch.sites default values; end $$
-- 39 DO that swallows its cancellation | refused | ended
do $$ begin loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop; end $$
-- 40 PREPARE | refused | own
prepare p as select * from warehouse.sites
-- 41 EXECUTE of a name that a driver gives | refused | error
execute "s1"
-- 42 DEALLOCATE ALL | refused | own
deallocate all
-- 43 DECLARE a cursor | refused | own
declare c cursor with hold for select * from warehouse.sites
-- 44 FETCH from the driver's portal | refused | error
fetch all from "C_1"
-- 45 LISTEN | refused | own
listen flarewatch
-- 46 NOTIFY | refused | own
notify flarewatch, 'x'
-- 47 pg_notify | refused | own
select pg_notify('flarewatch', name) from warehouse.sites
-- 48 INSERT | refused | error
insert into warehouse.sites (site_id, name) values (gen_random_uuid(), 'x')
-- 49 INSERT below a SELECT | refused | error
with w as (insert into flarewatch.sites default values returning *) select * from w
-- 50 UPDATE through a view | refused | error
update warehouse.sites set name = 'taken'
-- 51 DELETE in a CTE | refused | error
with d as (delete from warehouse.runs returning *) select count(*) from d
-- 52 SELECT INTO | refused | error
select * into temp mine from warehouse.sites
-- 53 CREATE TEMP TABLE | refused | error
create temp table sites as select 1
-- 54 CREATE FUNCTION in pg_temp | refused | error
create function pg_temp.f() returns int language sql as 'select 1'
-- 55 a view of one's own | refused | error
create view warehouse.all_sites as select * from flarewatch.sites
-- 56 FOR UPDATE | refused | error
select * from warehouse.sites for update
-- 57 FOR SHARE in a sub-select | refused | error
select * from (select * from warehouse.runs for share) r
-- 58 the table beneath | refused | error
select * from flarewatch.sites
-- 59 a partition beneath | refused | error
select * from flarewatch.facts_hourly
-- 60 credentials | refused | error
select ciphertext from flarewatch.credentials
-- 61 audit rows | refused | error
select sealed from flarewatch.audit_log
-- 62 who has which login | refused | error
select console_login from flarewatch.tenants
-- 63 Auth's users | refused | error
select email from auth.users
-- 64 password hashes | refused | error
select rolpassword from pg_authid
-- 65 activity | refused | own
select query from pg_stat_activity where usename = '${otherLogin}' and query is not null and query not like '<%'
-- 66 planner statistics | refused | own
select most_common_vals::text from pg_stats where schemaname = 'flarewatch'
-- 67 raw statistics | refused | error
select stavalues1::text from pg_statistic
-- 68 settings | refused | own
select name, setting from pg_settings where name like 'flarewatch%'
-- 69 a catalogue through information_schema | refused | own
select table_name from information_schema.tables where table_schema = 'flarewatch' and table_name = 'credentials'
-- 70 a catalogue under the name of a CTE | refused | own
select * from (with pg_settings as (select 1) select * from pg_settings) a, pg_settings b where b.name like 'flarewatch%'
-- 71 EXPLAIN with estimates | refused | own
explain select * from warehouse.sites
-- 72 EXPLAIN ANALYZE | refused | own
explain (analyze, costs off) select * from warehouse.sites
-- 73 EXPLAIN of a write | refused | error
explain (costs off) delete from warehouse.sites
-- 74 EXPLAIN that turns costs on again | refused | own
explain (costs off, costs on) select * from warehouse.sites
-- 75 EXPLAIN of an allowed statement | runs | own
explain (costs off) select * from warehouse.sites
-- 76 a file | refused | error
select pg_read_file('/etc/passwd')
-- 77 a directory | refused | error
select pg_ls_dir('/')
-- 78 sleep | refused | ended
select pg_sleep(60)
-- 79 sleep by its full name in a CASE | refused | ended
select case when true then pg_catalog.pg_sleep(60) end
-- 80 sleep as attribute of a row | refused | error
select s.pg_sleep from warehouse.sites s
-- 81 terminating others | refused | error
select pg_terminate_backend(pid) from pg_stat_activity where usename <> session_user and usename is not null
-- 82 cancelling others | refused | error
select pg_cancel_backend(pid) from pg_stat_activity where usename <> session_user and usename is not null
-- 83 reloading the configuration | refused | error
select pg_reload_conf()
-- 84 writing a large object | refused | error
select lo_from_bytea(0, 'x')
-- 85 importing a file as a large object | refused | error
select lo_import('/etc/passwd')
-- 86 dblink | refused | error
select * from dblink('host=127.0.0.1', 'select 1') as t (a int)
-- 87 an advisory lock | refused | own
select pg_advisory_lock(1)
-- 88 an advisory lock on a shared key, tried | refused | own
select pg_try_advisory_lock(hashtextextended('${other}', 0))
-- 89 SQL in a text | refused | error
select query_to_xml('select * from flarewatch.credentials', true, true, '')
-- 90 a table as XML | refused | error
select table_to_xml('flarewatch.sites', true, true, '')
-- 91 a sequence's state | refused | error
select nextval('flarewatch.anything')
-- 92 a definer's function of ours | refused | error
select flarewatch.has_verified_totp('${other}')
-- 93 a privileged function | refused | error
select privileged.open_console('{"tenant_id":"${other}"}')
-- 94 binding claims | refused | error
select flarewatch.bind_claims('{"tenant_id":"${other}","aal":"aal2"}')
-- 95 whom the session speaks for | refused | own
select session_user, current_user
-- 96 a leaky cast that would tell of rows | runs | own
select name::int from warehouse.sites where site_id = '${otherSite}'
-- 97 a leaky division over the other's rows | runs | own
select 1 / (case when site_id = '${otherSite}' then 0 else 1 end) from warehouse.sites
-- 98 an error that quotes a value | runs | error
select name::int from warehouse.sites
-- 99 a cast to a catalogue's name | refused | error
select 'flarewatch.credentials'::regclass::text where false
-- 100 a cast that reveals a role | refused | own
select count(10::regrole)
-- 101 an operator by schema | refused | own
select 1 operator(pg_catalog.=) 1
-- 102 a regular expression bomb | refused | ended
select count(*) from generate_series(1, 100000000) n where (n::text || repeat('a', 500)) ~ '(a*)*(a*)*(a*)*b'
-- 103 SIMILAR TO, a regular expression | refused | own
select name similar to '(a|b)*' from warehouse.sites where false
-- 104 a recursive bomb | refused | ended
with recursive r (n) as (select 1 union all select n + 1 from r) select count(*) from r
-- 105 a cartesian bomb | runs | ended
select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b, generate_series(1, 1000000) c
-- 106 a sort that spills | runs | ended
select max(x) from (select a * 7 % 1000003 as x from generate_series(1, 100000000) a order by 1 limit 100000000) s
-- 107 more rows than the limit | runs | own
select * from generate_series(1, 50000) n
-- 108 a wide row | refused | error
select repeat('x', 100000000)
-- 109 text that doubles | runs | error
with a as (select '0123456789012345678901234567890123456789' t), b as (select t||t||t||t||t||t||t||t t from a), c as (select t||t||t||t||t||t||t||t t from b), d as (select t||t||t||t||t||t||t||t t from c), e as (select t||t||t||t||t||t||t||t t from d), f as (select t||t||t||t||t||t||t||t t from e) select t||t||t||t||t||t||t||t||t||t from f
-- 110 the other tenant's rows, asked for by id | runs | own
select * from warehouse.metrics_hourly where site_id = '${otherSite}'
-- 111 all rows there are | runs | own
select s.name, m.* from warehouse.sites s full join warehouse.metrics_daily m on m.site_id = s.site_id
-- 112 runs of everybody | runs | own
select count(*) over (), * from warehouse.runs
-- 113 a row's system columns | refused | error
select s.tableoid, s.ctid from warehouse.sites s
-- 114 a function over a whole row | refused | own
select row_to_json(s) from warehouse.sites s
-- 115 a parameter that nobody gives | refused | error
select $1
-- 116 another database | refused | error
select * from template1.warehouse.sites
-- 117 TABLESAMPLE of the table beneath | refused | error
select * from flarewatch.sites tablesample system (100)
-- 118 nesting without end | refused | own
((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((select 1))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))
-- 119 NUL, after which a parser in C sees nothing | refused | error
select 1\u0000; drop table flarewatch.sites
-- 120 half of a surrogate pair | refused | own
select '\ud800'
-- 121 a control character | refused | own
select '\u001b[31m'
-- 122 a quote in Unicode escapes | runs | own
select U&'\0027; set role postgres' from warehouse.sites
-- 123 a dollar quote that never ends | invalid | error
select $x$ from warehouse.sites
-- 124 a nested comment that hides a statement | runs | own
select name /* /* */ ; drop table flarewatch.sites; -- */ from warehouse.sites
-- 125 VALUES | runs | own
values (1, 'a'), (2, null)
-- 126 VALUES with a function | refused | error
values (pg_read_file('/etc/passwd'))
-- 127 TABLE is a SELECT | runs | own
table warehouse.sites
-- 128 CALL | refused | error
call flarewatch.anything()
-- 129 GRANT | refused | error
grant flarewatch_console to ${otherLogin}
-- 130 ALTER ROLE, of oneself | refused | error
alter role ${otherLogin} password 'x'
-- 131 LOCK | refused | error
lock table warehouse.sites in access exclusive mode
-- 132 VACUUM | refused | error
vacuum
-- 133 LOAD of a library | refused | error
load '/tmp/x.so'
-- 134 a security label, a comment | refused | error
comment on schema warehouse is 'x'
