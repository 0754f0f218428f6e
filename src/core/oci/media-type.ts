/** Media types of manifests. Docker's are kept as they are, never converted: conversion changes the digest. */
export const MediaType = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  octets: 'application/octet-stream',
} as const;

/** What a client that understands everything asks for, in the order of preference. */
export const MANIFEST_ACCEPT = [
  MediaType.ociIndex,
  MediaType.ociManifest,
  MediaType.dockerList,
  MediaType.dockerManifest,
].join(', ');

export type ManifestKind = 'image' | 'index';

/** What a media type's manifest is, or undefined when it is none that this program knows. */
export function manifestKindOf(mediaType: string): ManifestKind | undefined {
  if (mediaType === MediaType.ociManifest || mediaType === MediaType.dockerManifest) return 'image';
  if (mediaType === MediaType.ociIndex || mediaType === MediaType.dockerList) return 'index';
  return undefined;
}

/** A Content-Type without its parameters, in lower case. */
export function withoutParameters(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/** Layers that stay where they are: clients fetch them from their URLs. */
export function isNonDistributable(mediaType: string): boolean {
  return mediaType.includes('nondistributable') || mediaType.includes('.foreign.');
}
