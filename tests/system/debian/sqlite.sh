# SPDX-License-Identifier: MIT
cd /data 2>/dev/null || cd /tmp; rm -f t.db*
sqlite3 t.db <<'END'
PRAGMA journal_mode = WAL;
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n REAL); CREATE INDEX by_name ON t (name);
WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000) INSERT INTO t SELECT x, printf('name-%04d', x * 7919 % 2000), x * 0.5 FROM c;
SELECT count(*), sum(n), min(name), max(name) FROM t; EXPLAIN QUERY PLAN SELECT * FROM t WHERE name = 'name-0007';
SELECT id, name FROM t ORDER BY name LIMIT 3
.mode csv
SELECT * FROM t WHERE id < 4; BEGIN; DELETE FROM t WHERE id > 1000; ROLLBACK; SELECT count(*) FROM t;
SELECT json_extract('{"a": [1, 2, {"b": 3}]}', '$.a[2].b'), upper('x'), length('äö'), hex(zeroblob(2)), date(86400, 'unixepoch'); SELECT group_concat(id, '-') FROM (SELECT id FROM t LIMIT 5);
END
for i in 1 2 3; do (for j in $(seq 20); do echo "PRAGMA busy_timeout = 20000; INSERT INTO t (name, n) VALUES ('from $i', $j);"; done | sqlite3 t.db > /dev/null) & done
wait
sqlite3 t.db "SELECT name, count(*), sum(n) FROM t WHERE name LIKE 'from%' GROUP BY name; PRAGMA integrity_check; PRAGMA journal_mode"
sqlite3 t.db 'BEGIN IMMEDIATE; SELECT "held"; .shell sqlite3 t.db "INSERT INTO t (n) VALUES (1)" 2>&1' 2>&1 | sed 's/near line [0-9]*: //'
printf 'BEGIN IMMEDIATE;\n.shell sqlite3 t.db "INSERT INTO t (n) VALUES (1)" 2>&1; sqlite3 t.db "SELECT count(*) FROM t"\nCOMMIT;\n' | sqlite3 t.db 2>&1
sqlite3 t.db .dump | sed "s/VALUES([0-9]*,'from/VALUES('from/" | sort | md5sum
sqlite3 t.db .dump | sqlite3 copy.db; sqlite3 copy.db 'SELECT count(*) FROM t'
sqlite3 t.db 'PRAGMA wal_checkpoint(TRUNCATE)'; ls t.db*; sqlite3 t.db 'VACUUM'; sqlite3 t.db .schema
sqlite3 t.db 'SELECT * FROM none' ; echo "rc $?"
sqlite3 del.db 'PRAGMA journal_mode = DELETE; CREATE TABLE d (x); INSERT INTO d VALUES (1), (2); SELECT sum(x) FROM d'
sqlite3 -header -column copy.db 'SELECT id, n FROM t LIMIT 2'; sqlite3 :memory: 'SELECT 1 + 1, sqlite_version()'
sqlite3 -json copy.db 'SELECT id FROM t ORDER BY id LIMIT 2'; rm -f t.db* copy.db del.db
