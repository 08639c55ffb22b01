-- The tables of the application: not those of Tidings, of extensions, and partitions, which count as their table.
SELECT
  concat(CASE WHEN NOT pg_table_is_visible(c.oid) THEN n.nspname || '.' END, c.relname) AS name,
  format('%I.%I', n.nspname, c.relname) AS quoted,
  ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum) AS columns,
  ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY a.attnum) AS key,
  CASE c.relkind WHEN 'r' THEN ARRAY[format('%I.%I', n.nspname, c.relname)] ELSE
    ARRAY(SELECT format('%I.%I', ns.nspname, l.relname) FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
      JOIN pg_namespace ns ON ns.oid = l.relnamespace WHERE l.relkind = 'r') END AS parts
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname !~ '^(pg_|tidings$|tidings_|information_schema$)'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
