-- Run once by the Postgres image, as superuser, when its volume is empty: the login Fairwalk uses. It owns its database
-- and may make the roles of the migrations; it is no superuser.
\set password `cat /secrets/fairwalk-password`
create role fairwalk login createrole password :'password';
create database fairwalk owner fairwalk;
