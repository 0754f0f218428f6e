/** Bounds of the server, each with its reason. */
export type ServerLimits = {
  /** Ranges in one request: real clients ask for one, lazy pullers for some dozens at most. */
  readonly rangesPerRequest: number;
  /** A sender that brings less than `minBytesPerWindow` within `windowMs` of waiting is cut, so that it holds no upload for ever. */
  readonly sender: { readonly windowMs: number; readonly minBytesPerWindow: number };
  /** The largest blob taken, in bytes. The largest known layers are some 100 GB of model weights. */
  readonly blobBytes: number;
};

export const DEFAULT_LIMITS: ServerLimits = {
  rangesPerRequest: 64,
  // 1 KiB a second: slower than any link that could finish a layer. A minute, because a sender may itself wait for a
  // compressor or an upstream.
  sender: { windowMs: 60_000, minBytesPerWindow: 60 * 1024 },
  blobBytes: 1024 ** 4,
};
