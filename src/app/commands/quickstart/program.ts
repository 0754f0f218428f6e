/**
 * A program of a few instructions that prints a text and ends: what the sample image runs,
 * so that `docker run` and `podman run` show something without any download.
 * Source: System V ABI, "Object Files"; Linux system calls write and exit.
 */
export function printingProgram(architecture: 'amd64' | 'arm64', message: string): Uint8Array {
  const text = new TextEncoder().encode(message);
  const code = architecture === 'amd64' ? amd64Code(text.length) : arm64Code(text.length);
  return elf(architecture === 'amd64' ? MACHINE_AMD64 : MACHINE_ARM64, new Uint8Array([...code, ...text]));
}

const MACHINE_AMD64 = 0x3e;
const MACHINE_ARM64 = 0xb7;
const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const LOAD_ADDRESS = 0x400000n;
const ENTRY = LOAD_ADDRESS + BigInt(HEADER_BYTES + SEGMENT_BYTES);

function amd64Code(length: number): number[] {
  return [
    ...[0xb8, ...int32(1)], // mov eax, 1 (write)
    ...[0xbf, ...int32(1)], // mov edi, 1 (standard output)
    ...[0x48, 0x8d, 0x35, ...int32(16)], // lea rsi, [rip + 16]: the text stands behind the code
    ...[0xba, ...int32(length)], // mov edx, length
    ...[0x0f, 0x05], // syscall
    ...[0xb8, ...int32(60)], // mov eax, 60 (exit)
    ...[0x31, 0xff], // xor edi, edi
    ...[0x0f, 0x05], // syscall
  ];
}

function arm64Code(length: number): number[] {
  return [
    0xd2800020, // mov x0, #1 (standard output)
    0x100000e1, // adr x1, +28: the text stands behind the code
    0xd2800002 | (length << 5), // mov x2, #length
    0xd2800808, // mov x8, #64 (write)
    0xd4000001, // svc #0
    0xd2800000, // mov x0, #0
    0xd2800ba8, // mov x8, #93 (exit)
    0xd4000001, // svc #0
  ].flatMap(int32);
}

function int32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];
}

/** One executable segment that holds the whole file. */
function elf(machine: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + SEGMENT_BYTES + body.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // executable
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, ENTRY, true);
  view.setBigUint64(32, BigInt(HEADER_BYTES), true);
  view.setUint16(52, HEADER_BYTES, true);
  view.setUint16(54, SEGMENT_BYTES, true);
  view.setUint16(56, 1, true);
  view.setUint32(HEADER_BYTES, 1, true); // load
  view.setUint32(HEADER_BYTES + 4, 5, true); // read and execute
  view.setBigUint64(HEADER_BYTES + 16, LOAD_ADDRESS, true);
  view.setBigUint64(HEADER_BYTES + 24, LOAD_ADDRESS, true);
  view.setBigUint64(HEADER_BYTES + 32, BigInt(bytes.length), true);
  view.setBigUint64(HEADER_BYTES + 40, BigInt(bytes.length), true);
  view.setBigUint64(HEADER_BYTES + 48, 0x1000n, true);
  bytes.set(body, HEADER_BYTES + SEGMENT_BYTES);
  return bytes;
}
