import { API_VERSION, type Handlers } from './exchange.ts';
import { reply } from './reply.ts';

const HEADERS = new Headers({ ...API_VERSION, 'content-type': 'application/json' });
const CONTENT = { status: 200, body: '{}' };

export const pingHandlers: Pick<Handlers, 'ping'> = {
  /** end-1: says that this is a registry. */
  async ping(_request, exchange) {
    exchange.bytesOut = 2;
    return reply(exchange, HEADERS, CONTENT);
  },
};
