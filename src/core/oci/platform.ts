import { RegistryError } from './error.ts';

/** image-spec image-index.md, "platform". */
export type Platform = {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
};

/** `os/architecture[/variant]`. Throws REQUEST_INVALID. */
export function parsePlatform(text: string): Platform {
  const [os, architecture, variant, ...rest] = text.split('/');
  if (!os || !architecture || rest.length > 0 || variant === '') {
    throw new RegistryError('REQUEST_INVALID', `"${text.slice(0, 80)}" is not a platform`, {
      hint: 'write os/architecture or os/architecture/variant, for example linux/arm64',
    });
  }
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/');
}

/** Whether an image of platform `offered` is meant by `wanted`: an unnamed variant means any. */
export function platformMatches(wanted: Platform, offered: Platform | undefined): boolean {
  if (!offered) return false;
  return (
    wanted.os === offered.os &&
    wanted.architecture === offered.architecture &&
    (wanted.variant === undefined || wanted.variant === variantOf(offered)) &&
    (wanted.osVersion === undefined || wanted.osVersion === offered.osVersion)
  );
}

/** arm64 without a variant is v8, as containerd reads it. */
function variantOf(platform: Platform): string | undefined {
  if (platform.variant !== undefined) return platform.variant;
  return platform.architecture === 'arm64' ? 'v8' : undefined;
}
