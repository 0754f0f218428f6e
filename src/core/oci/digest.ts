import { RegistryError } from './error.ts';

/** `algorithm:hex`, checked. Only `parseDigest` and the hasher make one. */
export type Digest = string & { readonly __brand: 'Digest' };
export type DigestAlgorithm = 'sha256' | 'sha512';

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };
const HEX = /^[0-9a-f]+$/;

/** A digest, or undefined when the text is none. Source: image-spec descriptor.md, "Registered Algorithms". */
export function tryParseDigest(text: string): Digest | undefined {
  const algorithm = text.slice(0, 6);
  if (algorithm !== 'sha256' && algorithm !== 'sha512') return undefined;
  if (text.charCodeAt(6) !== 0x3a || text.length !== 7 + HEX_LENGTH[algorithm]) return undefined;
  return HEX.test(text.slice(7)) ? (text as Digest) : undefined;
}

/** A digest. Throws DIGEST_INVALID. */
export function parseDigest(text: string): Digest {
  const digest = tryParseDigest(text);
  if (digest) return digest;
  throw new RegistryError('DIGEST_INVALID', `"${clip(text)}" is not a digest`, {
    hint: 'use sha256: and 64, or sha512: and 128, lower-case hexadecimal digits',
  });
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512') ? 'sha512' : 'sha256';
}

/** The part after the colon. */
export function hexOf(digest: Digest): string {
  return digest.slice(7);
}

export function isDigestAlgorithm(text: string): text is DigestAlgorithm {
  return text === 'sha256' || text === 'sha512';
}

/** A hash that is fed in pieces. */
export type DigestHasher = {
  update(bytes: Uint8Array): void;
  digest(): Digest;
};

export function createHasher(algorithm: DigestAlgorithm = 'sha256'): DigestHasher {
  const hasher = new Bun.CryptoHasher(algorithm);
  return {
    update: (bytes) => {
      hasher.update(bytes);
    },
    digest: () => `${algorithm}:${hasher.digest('hex')}` as Digest,
  };
}

export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** Text of a stranger, short enough for an error. */
function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
