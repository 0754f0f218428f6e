// A face of its own: every command that opens the catalog needs the tables, few need the proxy.
export { proxySql } from '../sql-module.ts';
