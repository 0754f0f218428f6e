import type { CommandSpec } from '../spec.ts';

const REF = 'host/repository[:tag][@digest], a name in this registry, oci:FOLDER[:tag] or tar:FILE[:tag]';

export const image: readonly CommandSpec[] = [
  {
    path: ['image', 'list'],
    summary: 'List images by tag, with their platforms and sizes',
    arguments: [{ name: '[repository]', summary: 'one repository, here or on a host; default: all of this registry' }],
    options: [{ flags: '--limit <count>', summary: 'at most so many (default: 1000)' }],
    shares: ['config', 'output'],
    examples: [
      'entrepot image list',
      'entrepot image list team/app -o json',
      'entrepot image list quay.io/vendor/nginx --limit 20',
    ],
    load: async () => (await import('./image-run.ts')).list,
  },
  {
    path: ['image', 'show'],
    summary: 'Show an image: platforms, layers, what is attached to it, and of a proxied one what its cache knows',
    arguments: [{ name: '<ref>', summary: REF }],
    shares: ['config', 'output'],
    examples: ['entrepot image show team/app:1.2', 'entrepot image show docker.io/library/redis:7 -o yaml'],
    load: async () => (await import('./image-run.ts')).show,
  },
  {
    path: ['image', 'warm'],
    summary: 'Fetch images of proxy namespaces before anybody pulls them; waits where the upstream’s quota says so',
    arguments: [
      {
        name: '<ref...>',
        summary: 'names here, such as hub/library/redis:7, or at their registry: docker.io/library/redis:7',
      },
    ],
    options: [{ flags: '--platform <platform...>', summary: 'only these platforms; default: all that are served' }],
    shares: ['config', 'output', 'progress'],
    examples: [
      'entrepot image warm hub/library/redis:7',
      'entrepot image warm docker.io/library/redis:7 --platform linux/amd64',
    ],
    load: async () => (await import('./image-warm-run.ts')).warm,
  },
  {
    path: ['image', 'copy'],
    summary: 'Copy an image with everything attached to it; digests stay as they are',
    arguments: [
      { name: '<source>', summary: REF },
      { name: '<destination>', summary: 'where to; without a tag it gets the source’s' },
    ],
    options: [{ flags: '--platform <platform...>', summary: 'only these platforms; the index keeps its digest' }],
    shares: ['config', 'output', 'progress'],
    examples: [
      'entrepot image copy quay.io/vendor/nginx:1.27 team/nginx',
      'entrepot image copy team/app:1.2 oci:./app',
      'entrepot image copy tar:app.tar:1.2 registry.internal:5001/app:1.2',
    ],
    load: async () => (await import('./image-copy-run.ts')).copy,
  },
  {
    path: ['image', 'delete'],
    summary:
      'Delete a tag, or by digest a manifest with every tag on it; gc frees the space later. Of a proxy the copy goes',
    arguments: [{ name: '<ref>', summary: REF }],
    shares: ['config', 'output', 'confirm'],
    examples: ['entrepot image delete team/app:old', 'entrepot image delete team/app@sha256:… --yes'],
    load: async () => (await import('./image-run.ts')).remove,
  },
  {
    path: ['repo', 'list'],
    summary: 'List repositories',
    arguments: [{ name: '[host]', summary: 'a registry elsewhere; default: this one' }],
    options: [{ flags: '--limit <count>', summary: 'at most so many (default: 1000)' }],
    shares: ['config', 'output'],
    examples: ['entrepot repo list', 'entrepot repo list registry.internal:5001'],
    load: async () => (await import('./list-run.ts')).repositories,
  },
  {
    path: ['tag', 'list'],
    summary: 'List the tags of a repository with their digests',
    arguments: [{ name: '<repository>', summary: 'here or on a host' }],
    options: [{ flags: '--limit <count>', summary: 'at most so many (default: 1000)' }],
    shares: ['config', 'output'],
    examples: ['entrepot tag list team/app', 'entrepot tag list quay.io/vendor/nginx -o jsonl'],
    load: async () => (await import('./list-run.ts')).tags,
  },
];
