export { type ApiOptions, createApi } from './api.ts';
export { apiClient, type SocketFetch } from './client.ts';
export { errorOfView, viewOfError } from './error.ts';
export type { Listed, ListOptions, Operations, Running } from './operations.ts';
export type * from './schema.ts';
