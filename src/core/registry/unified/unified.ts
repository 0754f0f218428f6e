import type { Digest, RepositoryName } from '#core/oci';
import type { Registry } from '../types.ts';
import { unifiedLister } from './list.ts';
import { belowOf, type Naming, namingOf, type Shown, shownMember } from './name.ts';
import { createPins, type Pins } from './pin.ts';
import { unifiedReader } from './read.ts';
import type { UnifiedOptions } from './types.ts';
import { unifiedExtras, unifiedWriter } from './write.ts';

/** What the parts of a virtual namespace share. */
export type View = {
  readonly namespace: string;
  readonly naming: Naming;
  readonly all: readonly Shown[];
  readonly push: Shown | undefined;
  readonly pins: Pins;
  /** What stands below the namespace in a name. Throws NAME_UNKNOWN. */
  below(repository: RepositoryName): string;
  /** Members that show a name, in their order. */
  members(below: string): readonly Shown[];
  /** The same, but first the one that gave what names this digest. */
  membersFor(below: string, digest: Digest): readonly Shown[];
};

/**
 * Several namespaces as one: a repository of the virtual namespace is that of the same name below each member.
 * The members are asked in order and the first that has it answers; what a manifest names comes from who gave the
 * manifest. Lists are merged. One member may take the pushes. Throws RangeError when `push` is no member.
 */
export function unified(options: UnifiedOptions): Registry {
  const view = viewOf(options);
  return { ...unifiedReader(view), ...unifiedLister(view), ...unifiedWriter(view), extras: unifiedExtras(view) };
}

function viewOf({ namespace, members, push }: UnifiedOptions): View {
  const naming = namingOf(namespace);
  const all = members.map(shownMember);
  const target = all.find((member) => member.namespace === push);
  if (push !== undefined && !target) throw new RangeError(`${push} is no member of ${namespace}`);
  const hasRules = all.some(({ allow, deny }) => allow.length + deny.length > 0);
  const pins = createPins();
  const showing = (below: string) => (hasRules ? all.filter((member) => member.shows(below)) : all);
  return {
    namespace,
    naming,
    all,
    push: target,
    pins,
    below: (repository) => belowOf(naming, repository),
    members: showing,
    membersFor(below, digest) {
      const pinned = pins.of(below, digest);
      const shown = showing(below);
      return pinned && shown[0] !== pinned ? [pinned, ...shown.filter((member) => member !== pinned)] : shown;
    },
  };
}
