const UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
const SIZE = /^(\d{1,9}(?:\.\d{1,3})?) ?([kKMGT]i?B|B)$/;

/** `200GB`, `50MiB`, `1.5 TB` in bytes, or undefined. */
export function tryParseSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  const unitBytes = UNIT_BYTES[match?.[2] ?? ''];
  return match && unitBytes !== undefined ? Math.round(Number(match[1]) * unitBytes) : undefined;
}
