import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program } from '../test/harness/need.ts';
import { entrepotProgram } from '../test/harness/servers.ts';

/** From one registry to others, under the same name. `tags` absent: the whole repository. */
export type Job = {
  /** For configuration and state; the same folder in a second run of the same job. */
  readonly folder: string;
  readonly source: string;
  readonly destinations: readonly string[];
  /** `demo/app` */
  readonly repository: string;
  readonly allTags: readonly string[];
  readonly tag?: string;
};

type Commands = readonly (readonly string[])[];
export type Copier = {
  readonly name: string;
  /** Programs that it needs from elsewhere. */
  readonly programs: readonly string[];
  readonly commands: (job: Job) => Commands;
};

export const entrepot: Copier = {
  name: 'entrepot',
  programs: [],
  commands: (job) => {
    const [namespace = '', ...rest] = job.repository.split('/');
    const hosts = [job.source, ...job.destinations].map((host) => `  "${host}": { insecure: true }`);
    const config = writeConfig(
      job,
      `version: 1
storage: { path: ./data }
registries:
${hosts.join('\n')}
mirrors:
  bench:
    source: ${job.source}/${namespace}
    repositories: [${rest.join('/')}]
    ${job.tag === undefined ? '' : `tags: ["${job.tag}"]`}
    destinations: [${job.destinations.map((host) => `"${host}/${namespace}"`).join(', ')}]
`,
    );
    return [[entrepotProgram(), 'mirror', 'apply', '--yes', '--config', config]];
  },
};

const crane: Copier = {
  name: 'crane cp -a',
  programs: ['crane'],
  commands: (job) => {
    const what = job.tag === undefined ? ['-a'] : [];
    return job.destinations.map((host) => [
      program('crane'),
      '--insecure',
      'copy',
      ...what,
      ref(job.source, job),
      ref(host, job),
    ]);
  },
};

const regsync: Copier = {
  name: 'regsync once',
  programs: ['regsync'],
  commands: (job) => {
    const hosts = [job.source, ...job.destinations].map((host) => `  - { registry: "${host}", tls: disabled }`);
    const type = job.tag === undefined ? 'repository' : 'image';
    const syncs = job.destinations.map(
      (host) => `  - { source: "${ref(job.source, job)}", target: "${ref(host, job)}", type: ${type} }`,
    );
    const config = writeConfig(
      job,
      `version: 1\ncreds:\n${hosts.join('\n')}\ndefaults: { parallel: 4 }\nsync:\n${syncs.join('\n')}\n`,
    );
    return [[program('regsync'), 'once', '-c', config]];
  },
};

const oras: Copier = {
  name: 'oras cp -r',
  programs: ['oras'],
  commands: (job) => {
    const plain = ['--from-plain-http', '--to-plain-http', '--no-tty'];
    const tags = job.tag === undefined ? job.allTags : [job.tag];
    return job.destinations.flatMap((host) =>
      tags.map((tag) => {
        const one = { repository: job.repository, tag };
        return [program('oras'), 'cp', '-r', ...plain, ref(job.source, one), ref(host, one)];
      }),
    );
  },
};

const skopeo: Copier = {
  name: 'skopeo sync',
  programs: ['skopeo'],
  commands: (job) => {
    const common = ['--all', '--preserve-digests', '--src-tls-verify=false', '--dest-tls-verify=false'];
    const base = [program('skopeo'), '--insecure-policy'];
    const [namespace = ''] = job.repository.split('/');
    return job.destinations.map((host) =>
      job.tag === undefined
        ? [
            ...base,
            'sync',
            ...common,
            '--src',
            'docker',
            '--dest',
            'docker',
            ref(job.source, job),
            `${host}/${namespace}`,
          ]
        : [...base, 'copy', ...common, `docker://${ref(job.source, job)}`, `docker://${ref(host, job)}`],
    );
  },
};

export const copiers: readonly Copier[] = [entrepot, crane, regsync, oras, skopeo];

function ref(host: string, job: { readonly repository: string; readonly tag?: string }): string {
  return `${host}/${job.repository}${job.tag === undefined ? '' : `:${job.tag}`}`;
}

function writeConfig(job: Job, text: string): string {
  mkdirSync(job.folder, { recursive: true });
  const path = join(job.folder, 'config.yaml');
  writeFileSync(path, text);
  return path;
}
