/** Bounds of what is read from strangers. Each is a number with its reason. */
export const Bounds = {
  /** Spec: registries should take manifests of at least 4 MB; conformance pushes 3.9 MB. */
  manifestBytes: 4 * 1024 * 1024,
  /** A referrers list or an index by fallback tag is a manifest too. */
  errorBodyBytes: 64 * 1024,
  /** A page of tags: 10,000 names of 128 characters and JSON around them. */
  listBodyBytes: 4 * 1024 * 1024,
  /** JSON nesting in a manifest. Real ones have 4; annotations are flat. */
  jsonDepth: 32,
  /** Layers of one image: the kernel's overlay takes 500, docker 127. */
  layers: 1024,
  /** Children of one index: the largest public ones have some dozens, with attestations. */
  children: 4096,
  /** An index of an index of … : real ones nest once. */
  indexDepth: 8,
  /** Tags given with one manifest (`?tag=`): the spec asks for 10. */
  tagsPerPut: 64,
  /** Names in one page, whatever `n` asks for. */
  pageNames: 1000,
  /** Characters of a request's path and query. */
  urlLength: 8192,
} as const;
