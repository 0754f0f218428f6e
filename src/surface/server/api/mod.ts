import type { Api, ApiOptions } from './api.ts';

export { apiClient, type SocketFetch } from './client.ts';
export { errorOfView, viewOfError } from './error.ts';
export type {
  Listed,
  ListOptions,
  MirrorRequest,
  Operations,
  PullThrough,
  Running,
  WarmRequest,
} from './operations.ts';
export type * from './schema.ts';
export type { Api, ApiOptions };

/** The API's code is loaded when a server starts: commands need only its client, and start sooner. */
export async function createApi(options: ApiOptions): Promise<Api> {
  return (await import('./api.ts')).createApi(options);
}
