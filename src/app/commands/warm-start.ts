import { messageOf } from '#core/std';
import type { App } from '../compose.ts';
import { configuredWarm, warmImages } from './warm.ts';

/** Fetches what the configuration wants here before anybody asks for it. Never throws: the log says what was not to be had. */
export async function warmAtStart(app: App, signal: AbortSignal): Promise<void> {
  const { log } = app.machine;
  const images = configuredWarm(app.config);
  if (images.length === 0) return;
  try {
    const report = await warmImages(app, { images, platforms: [] }, { signal, onProgress: () => {} });
    for (const { image, error } of report.images) {
      if (error) log.warn('an image could not be warmed', { image, error: error.what, why: error.why });
    }
    const failed = report.images.filter(({ error }) => error).length;
    log.info('warmed', { images: report.images.length - failed, failed, newBytes: report.newBytes });
  } catch (thrown) {
    if (!signal.aborted) log.error('warming ended early', { error: messageOf(thrown) });
  }
}
