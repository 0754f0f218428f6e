import { expect, test } from 'bun:test';
import { createFrames, requestBody, responseBody } from './frames.ts';

const cases = [
  {
    name: 'no body',
    wire: 'GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n',
    seen: ['GET /a', 'end', 'GET /b', 'end'],
  },
  {
    name: 'a length',
    wire: 'PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\n\r\n',
    seen: ['PUT /a', 5, 'end', 'GET /b', 'end'],
  },
  { name: 'an empty body', wire: 'PUT /a HTTP/1.1\r\ncontent-length: 0\r\n\r\n', seen: ['PUT /a', 'end'] },
  {
    name: 'chunks with an extension and a trailer',
    wire: 'PATCH /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n3\r\nyou\r\n0\r\nT: 1\r\n\r\nGET /b HTTP/1.1\r\n\r\n',
    seen: ['PATCH /a', 8, 'end', 'GET /b', 'end'],
  },
];
for (const row of cases) {
  for (const size of [1, 3, 7, 4096]) {
    test(`frames: ${row.name}, in pieces of ${size}`, () => {
      const seen: (string | number)[] = [];
      const frames = createFrames({
        head: (start, headers) => {
          seen.push(start.split(' ').slice(0, 2).join(' '));
          return requestBody(headers);
        },
        body: (bytes) => {
          const last = seen.at(-1);
          if (typeof last === 'number') seen[seen.length - 1] = last + bytes;
          else seen.push(bytes);
        },
        end: () => seen.push('end'),
      });
      const bytes = new TextEncoder().encode(row.wire);
      for (let at = 0; at < bytes.length; at += size) frames.push(bytes.subarray(at, at + size));
      expect(seen).toEqual(row.seen);
    });
  }
}

test('a response body depends on the request', () => {
  const headers = new Headers({ 'content-length': '10' });
  expect(responseBody('HEAD', 200, headers)).toEqual({ kind: 'none' });
  expect(responseBody('GET', 200, headers)).toEqual({ kind: 'length', bytes: 10 });
  expect(responseBody('GET', 304, headers)).toEqual({ kind: 'none' });
  expect(responseBody('GET', 200, new Headers())).toEqual({ kind: 'until-close' });
});
