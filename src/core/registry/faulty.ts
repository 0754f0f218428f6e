import { RegistryError } from '#core/oci';
import { type ByteSource, type ByteStream, chunksOf, streamFrom } from '#core/std';
import { bodyOf } from './answer.ts';
import { around, type Operation, type Proceed } from './operation.ts';
import type { BlobAnswer, Call, ManifestAnswer, Registry } from './types.ts';

export type Fault =
  /** The operation is not done and fails. */
  | { readonly kind: 'fail'; readonly error?: Error }
  /** The operation is done, and its answer lost. */
  | { readonly kind: 'lose'; readonly error?: Error }
  /** Nothing happens until the call is aborted. */
  | { readonly kind: 'hang' }
  /** A body, read or written, breaks after so many bytes. An operation without a body fails. */
  | { readonly kind: 'cut'; readonly atByte: number }
  /** Content that is read ends early as if that were all: a lie. Other operations fail. */
  | { readonly kind: 'truncate'; readonly atByte: number };

/** Decides what goes wrong with the `nth` operation (from 1). */
export type FaultPlan = (operation: Operation, nth: number) => Fault | undefined;

/** A registry on which things go wrong as planned: for tests of whoever uses one. */
export function faulty(next: Registry, plan: FaultPlan): Registry {
  let count = 0;
  const faultOf = (operation: Operation) => {
    count += 1;
    return plan(operation, count);
  };
  const broken = around(next, (operation, proceed) => applied(faultOf(operation), operation, proceed));
  return {
    ...broken,
    async getManifest(repository, reference, call) {
      const operation: Operation = { name: 'getManifest', action: 'pull', repository, reference, call };
      const fault = faultOf(operation);
      const answer = () => next.getManifest(repository, reference, call);
      if (fault?.kind !== 'truncate') return await applied(fault, operation, answer);
      const { value, served } = await answer();
      return { served, value: truncatedManifest(value, fault.atByte) };
    },
    async getBlob(repository, reference, options, call) {
      const operation: Operation = { name: 'getBlob', action: 'pull', repository, reference, call };
      const fault = faultOf(operation);
      const answer = () => next.getBlob(repository, reference, options, call);
      if (fault?.kind !== 'truncate' && fault?.kind !== 'cut') return await applied(fault, operation, answer);
      const { value, served } = await answer();
      return { served, value: shortBlob(value, fault) };
    },
  };
}

/**
 * A plan with one fault: at the `nth` operation of all registries that share it.
 * A campaign runs with n = 1, 2, 3 … until a run ends without its fault having fired.
 */
export function faultAt(nth: number, fault: Fault): { readonly plan: FaultPlan; fired(): boolean } {
  let seen = 0;
  return {
    plan: () => {
      seen += 1;
      return seen === nth ? fault : undefined;
    },
    fired: () => seen >= nth,
  };
}

async function applied<T>(fault: Fault | undefined, operation: Operation, proceed: Proceed<T>): Promise<T> {
  switch (fault?.kind) {
    case undefined:
      return await proceed();
    case 'hang':
      return await hang(operation.call);
    case 'lose':
      await proceed();
      throw fault.error ?? planned(operation);
    case 'cut':
      if (operation.body === undefined) throw planned(operation);
      return await proceed(cutAt(operation.body, fault.atByte, planned(operation)));
    case 'fail':
      throw fault.error ?? planned(operation);
    case 'truncate':
      throw planned(operation);
  }
}

function planned({ name, repository }: Operation): RegistryError {
  return new RegistryError('UNAVAILABLE', `a planned fault in ${name} of ${repository ?? 'all repositories'}`);
}

function hang({ signal }: Call): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** The first bytes of a body, and then `error`, or its end when there is none. */
function cutAt(body: ByteSource, atByte: number, error: Error | undefined): ByteStream {
  return streamFrom(firstBytes(body, atByte, error));
}

async function* firstBytes(body: ByteSource, atByte: number, error: Error | undefined) {
  let left = atByte;
  for await (const chunk of chunksOf(body)) {
    yield chunk.subarray(0, left);
    left -= chunk.byteLength;
    if (left <= 0) break;
  }
  if (error) throw error;
}

function shortBlob(answer: BlobAnswer, fault: Extract<Fault, { atByte: number }>): BlobAnswer {
  const error = fault.kind === 'cut' ? new RegistryError('UNAVAILABLE', 'a planned cut of a blob') : undefined;
  const { descriptor } = answer;
  return { kind: 'stream', descriptor, body: cutAt(bodyOf(answer), fault.atByte, error) };
}

function truncatedManifest(answer: ManifestAnswer, atByte: number): ManifestAnswer {
  return { ...answer, bytes: answer.bytes.subarray(0, atByte) };
}
