CREATE TABLE login (id TEXT PRIMARY KEY, user TEXT NOT NULL);
CREATE TABLE member (user TEXT, topic TEXT, PRIMARY KEY (user, topic));
CREATE TABLE person (id TEXT PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO member VALUES
    ('anna', 'staff:people'),
    ('anna', 'staff:person:0198c0de-0000-7000-8000-000000000001');
