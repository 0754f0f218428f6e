import { describe, expect, test } from 'bun:test';
import { type OciCode, RegistryError } from '#core/oci';
import type { Registry } from '../types.ts';

/** What a registry may be without, named with the reason by whoever runs the suite over it. */
export type ContractFeature =
  /** Lists its repositories. */
  | 'catalog'
  /** One repository's content is not another's. */
  | 'isolation'
  /** Refuses a manifest whose blobs are not there. */
  | 'blob-check'
  /** Says NAME_UNKNOWN, and not only "not found", where an answer has no body (HEAD). */
  | 'codes-of-resolve'
  | 'delete-tag'
  | 'delete-manifest'
  | 'delete-blob'
  /** Keeps referrers lists itself. */
  | 'referrers'
  | 'sha512'
  /** Uploads can be found again by their id. */
  | 'open-upload'
  /** Tells callers apart by `call.principal`. */
  | 'principals'
  /** Tells an upload of one byte from one of none (`Range: 0-0` stands for both). */
  | 'offset-of-one-byte'
  /** A second writer of an upload is refused. */
  | 'one-writer'
  | 'mount'
  /** Mounts with no `from`. */
  | 'mount-anonymous'
  /** Asks the given `mayRead`. */
  | 'may-read';

export type ContractOptions = {
  readonly without?: Partial<Readonly<Record<ContractFeature, string>>>;
};

export type Fixture = { readonly registry: Registry; dispose?(): Promise<void> | void };
export type MakeFixture = () => Promise<Fixture> | Fixture;

export type PartOptions = ContractOptions & { readonly make: MakeFixture };

/** One part of the suite: registers its tests with `check`. */
export type Check = (
  title: string,
  body: (registry: Registry) => Promise<void>,
  needs?: readonly ContractFeature[],
) => void;

export function describePart(title: string, part: (check: Check) => void, { make, without = {} }: PartOptions): void {
  describe(title, () => {
    part((name, body, needs = []) => {
      if (needs.some((feature) => without[feature] !== undefined)) return;
      test(name, async () => {
        const fixture = await make();
        try {
          await body(fixture.registry);
        } finally {
          await fixture.dispose?.();
        }
      });
    });
  });
}

/** Asserts that a promise fails with one of these codes. */
export async function expectCode(promise: Promise<unknown>, ...codes: OciCode[]): Promise<void> {
  const outcome = await promise.then(
    () => 'success',
    (thrown: unknown) => (thrown instanceof RegistryError ? thrown.code : thrown),
  );
  if (outcome instanceof Error) throw outcome;
  expect(codes as unknown[]).toContain(outcome);
}
