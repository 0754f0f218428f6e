import { compileGlob } from '#core/std';
import { eachAt, wrong } from './finding.ts';
import { type Finding, nameOf } from './issue.ts';
import { memberOf, type NamespaceConfig, type VirtualConfig } from './namespace.ts';
import type { Path } from './position.ts';
import { nearest } from './problem.ts';

type Namespaces = Readonly<Record<string, NamespaceConfig>>;

/** A virtual namespace: its members are there, and it is none of its own; who takes pushes is hosted. */
export function checkVirtual(namespaces: Namespaces, name: string, virtual: VirtualConfig): Finding[] {
  const path = ['namespaces', name, 'members'];
  const members = virtual.members.map(memberOf);
  const findings = members.flatMap((member, index) => {
    const isText = typeof virtual.members[index] === 'string';
    const here = isText ? [...path, index] : [...path, index, 'namespace'];
    return [
      ...checkMember(namespaces, { name, member: member.namespace }, here),
      ...(members.findIndex((other) => other.namespace === member.namespace) < index
        ? [wrong(here, `${nameOf(here)}: "${member.namespace}" is a member already`)]
        : []),
      ...(['allow', 'deny'] as const).flatMap((key) => eachAt(member[key], [...path, index, key], compileGlob)),
    ];
  });
  return [...findings, ...checkPush(namespaces, virtual, ['namespaces', name, 'push'])];
}

type Membership = { readonly name: string; readonly member: string };

function checkMember(namespaces: Namespaces, { name, member }: Membership, path: Path): Finding[] {
  if (namespaces[member] === undefined) return [noSuch(member, Object.keys(namespaces), path)];
  const circle = circleOf(namespaces, [name, member]);
  return circle ? [wrong(path, `${nameOf(path)}: ${circle.join(' → ')} is a circle`)] : [];
}

/** The way back to where the trail began, if one leads there. */
function circleOf(namespaces: Namespaces, trail: readonly string[]): readonly string[] | undefined {
  const last = trail.at(-1) ?? '';
  if (last === trail[0]) return trail;
  // Another circle on the way is reported where it is.
  if (trail.slice(0, -1).includes(last)) return undefined;
  const namespace = namespaces[last];
  if (namespace?.type !== 'virtual') return undefined;
  for (const member of namespace.members) {
    const found = circleOf(namespaces, [...trail, memberOf(member).namespace]);
    if (found) return found;
  }
  return undefined;
}

function checkPush(namespaces: Namespaces, { push, members }: VirtualConfig, path: Path): Finding[] {
  if (push === undefined) return [];
  const names = members.map((member) => memberOf(member).namespace);
  if (!names.includes(push)) {
    const meant = nearest(push, names);
    const hint = meant === undefined ? '' : ` (did you mean "${meant}"?)`;
    return [wrong(path, `${nameOf(path)}: "${push}" is no member; what is pushed there could not be pulled${hint}`)];
  }
  const type = namespaces[push]?.type;
  if (type === undefined || type === 'hosted') return [];
  return [wrong(path, `${nameOf(path)}: "${push}" is a ${type} namespace; pushes go to a hosted one`)];
}

function noSuch(name: string, candidates: readonly string[], path: Path): Finding {
  const meant = nearest(name, candidates);
  const hint = meant === undefined ? '' : ` (did you mean "${meant}"?)`;
  return wrong(path, `${nameOf(path)}: "${name}" is no namespace of this file${hint}`);
}
