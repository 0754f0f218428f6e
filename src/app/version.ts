import manifest from '../../package.json' with { type: 'json' };

/** The release; its only source is package.json. */
export const VERSION: string = manifest.version;
