import { RegistryError } from '#core/oci';

/** `start` up to but not including `end`, within the blob. */
export type Slice = { readonly start: number; readonly end: number };

/**
 * What a `Range` header means for `sizeBytes` of content: undefined when it is to be ignored (another unit or no
 * legal syntax), else the satisfiable ranges in the order asked for.
 * Throws RANGE_INVALID when none is satisfiable, or when there are too many. RFC 9110, section 14.2.
 */
export function parseRange(header: string, sizeBytes: number, mostRanges: number): Slice[] | undefined {
  const match = /^bytes=(.*)$/i.exec(header.trim());
  if (!match) return undefined;
  const specs = (match[1] ?? '').split(',').map((spec) => spec.trim());
  if (specs.length > mostRanges) throw unsatisfiable(`${specs.length} ranges, more than ${mostRanges}`, sizeBytes);
  const slices: Slice[] = [];
  for (const spec of specs) {
    const parts = /^([0-9]{0,15})-([0-9]{0,15})$/.exec(spec);
    if (!parts || spec === '-') return undefined;
    const slice = sliceOf(parts[1] ?? '', parts[2] ?? '', sizeBytes);
    if (slice.start < slice.end) slices.push(slice);
  }
  if (slices.length === 0) throw unsatisfiable(`no byte of ${header.slice(0, 80)} is there`, sizeBytes);
  if (isWasteful(slices, sizeBytes)) throw unsatisfiable('the ranges overlap to more than the blob', sizeBytes);
  return slices;
}

function sliceOf(first: string, last: string, sizeBytes: number): Slice {
  if (first === '') return { start: Math.max(0, sizeBytes - Number(last)), end: sizeBytes };
  const start = Number(first);
  // A last position before the first is no legal range; 416 is what the conformance suite asks for.
  return { start, end: last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) };
}

/** Many overlapping ranges would make a small request into an answer of many times the blob. */
function isWasteful(slices: readonly Slice[], sizeBytes: number): boolean {
  return slices.length > 1 && slices.reduce((sum, { start, end }) => sum + end - start, 0) > sizeBytes;
}

function unsatisfiable(message: string, sizeBytes: number): RegistryError {
  return new RegistryError('RANGE_INVALID', message, {
    why: `the blob has ${sizeBytes} bytes`,
    detail: { size: sizeBytes },
  });
}
