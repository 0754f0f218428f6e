/** Whether `If-None-Match` says that the client has this content already. RFC 9110, section 13.1.2. */
export function isUnchanged(http: Request, etag: string): boolean {
  const asked = http.headers.get('if-none-match');
  if (asked === null) return false;
  return asked === '*' || asked.split(',').some((entry) => entry.trim().replace(/^W\//, '') === etag);
}
