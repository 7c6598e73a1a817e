-- Runs once, when the server's volume is new: statements read every table of the warehouse's database, so it is not the catalog's.
CREATE DATABASE warehouse;
