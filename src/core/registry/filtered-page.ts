import type { Page, PageOptions, Served } from './types.ts';

/** How many names are asked for at once while looking for those that may be shown. */
const SCAN_NAMES = 1000;

export type FilterOptions<T> = PageOptions & {
  readonly keep: (item: T) => boolean | Promise<boolean>;
  readonly nameOf: (item: T) => string;
};
type List<T> = (options: PageOptions) => Promise<Page<T>>;

/**
 * A full page of the items to keep. Its `next` is the name of its own last item:
 * the list's own `next` could name something that is not to be seen.
 */
export async function filteredPage<T>(list: List<T>, options: FilterOptions<T>): Promise<Page<T>> {
  const { limit, keep, nameOf } = options;
  const items: T[] = [];
  let { after } = options;
  do {
    const page = await list({ limit: Math.max(SCAN_NAMES, limit + 1), ...(after === undefined ? {} : { after }) });
    for (const item of page.items) {
      if (!(await keep(item))) continue;
      const last = items.at(-1);
      // One more than fits: there is another page, unless none was wanted.
      if (items.length === limit) return last === undefined ? { items } : { items, next: nameOf(last) };
      items.push(item);
    }
    after = page.next;
  } while (after !== undefined);
  return { items };
}

/** The same of a list that says who served it: the last page asked for speaks. */
export async function servedFilteredPage<T>(
  list: (options: PageOptions) => Promise<Served<Page<T>>>,
  options: FilterOptions<T>,
): Promise<Served<Page<T>>> {
  let last: Served<Page<T>> | undefined;
  const value = await filteredPage(async (page) => {
    last = await list(page);
    return last.value;
  }, options);
  return { value, served: last?.served ?? { by: '', warnings: [] } };
}
