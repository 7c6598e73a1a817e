-- Runs once, when the server's volume is new. The gateway's role owns two databases and is no superuser; statements read
-- every table of the warehouse's database that it may, so that is not the catalog's.
\getenv password GATEWAY_PASSWORD
CREATE ROLE gateway LOGIN PASSWORD :'password';
CREATE DATABASE catalog OWNER gateway;
CREATE DATABASE warehouse OWNER gateway;
