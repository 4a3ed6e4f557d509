-- What the SQLite row runs, in the manner of SQLite's own speed test: inserts with and without an index, queries
-- by range, by key and by pattern, joins, updates, deletes, grouping, a window, text and blobs. In memory, seeded
-- by its own generator, and every query's result is printed.
.mode list
PRAGMA page_size = 4096;

CREATE TABLE t1(a INTEGER, b INTEGER, c TEXT);
CREATE TABLE t2(a INTEGER PRIMARY KEY, b INTEGER, c TEXT);
CREATE TABLE word(n INTEGER PRIMARY KEY, w TEXT);

-- Spells a number, so that there is text to compare and to search in.
INSERT INTO word VALUES (0, 'zero'), (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four'), (5, 'five'), (6, 'six'),
                        (7, 'seven'), (8, 'eight'), (9, 'nine');

BEGIN;
WITH RECURSIVE r(i, x) AS (VALUES (1, 12345) UNION ALL
    SELECT i + 1, (x * 1103515245 + 12345) & 2147483647 FROM r WHERE i < 30000)
INSERT INTO t1 SELECT x >> 8 & 65535, x >> 4 & 4095,
    (SELECT w FROM word WHERE n = x / 65536 % 10) || ' ' || (SELECT w FROM word WHERE n = x / 1024 % 10) || ' ' || i
    FROM r;
COMMIT;

SELECT count(*), avg(b) > 2000, sum(a) FROM t1 WHERE b BETWEEN 500 AND 1500;
SELECT count(*), max(c) FROM t1 WHERE c LIKE '%seven%nine%';
SELECT a, b, c FROM t1 WHERE c LIKE 'e%' ORDER BY c DESC, a LIMIT 5;

CREATE INDEX t1b ON t1(b);
CREATE INDEX t1c ON t1(c);
INSERT INTO t2 SELECT rowid, b, c FROM t1 ORDER BY a;
CREATE INDEX t2b ON t2(b, c);

WITH RECURSIVE k(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM k WHERE i < 4000)
SELECT sum(n) FROM (SELECT (SELECT count(*) FROM t1 WHERE b BETWEEN i AND i + 10) AS n FROM k);
WITH RECURSIVE k(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM k WHERE i < 15000)
SELECT sum(length(c)), sum(b) FROM k JOIN t2 ON t2.a = k.i * 2;
SELECT count(*), sum(x.a * 7 % 11) FROM t1 AS x JOIN t2 AS y ON x.b = y.b WHERE x.c < 'four';
SELECT substr(c, 1, instr(c, ' ') - 1) AS w, count(*), min(b), max(b), sum(length(c)) FROM t1 GROUP BY w ORDER BY w;
SELECT sum(r) FROM (SELECT rank() OVER (PARTITION BY b / 64 ORDER BY a, c) AS r FROM t1);

BEGIN;
UPDATE t1 SET b = b * 2 WHERE a % 3 = 0;
UPDATE t2 SET c = upper(c) || hex(b) WHERE a % 5 = 1;
DELETE FROM t1 WHERE c LIKE '%five%';
DELETE FROM t2 WHERE a BETWEEN 1000 AND 9000;
INSERT OR REPLACE INTO t2 SELECT a & 8191, b, replace(c, 'o', '0') FROM t1;
COMMIT;

SELECT count(*), sum(b), min(c), max(c) FROM t2;
SELECT count(DISTINCT substr(c, 1, 9)), group_concat(DISTINCT b % 7) FROM t1;
SELECT hex(substr(group_concat(c, ''), 1, 24)), length(group_concat(c, '')) FROM t2;
SELECT json_extract(j, '$[2].w'), json_array_length(j)
    FROM (SELECT json_group_array(json_object('n', b, 'w', c)) AS j FROM t2);
VACUUM;
PRAGMA integrity_check;
