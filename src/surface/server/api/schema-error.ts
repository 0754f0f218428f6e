import { z } from '@hono/zod-openapi';

export const errorSchema = z
  .object({ code: z.string(), what: z.string(), why: z.string().optional(), do: z.string().optional() })
  .openapi('Error');

export type ErrorView = z.infer<typeof errorSchema>;
