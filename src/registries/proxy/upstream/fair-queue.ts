/** Who waits: fairness is between principals first, then between the repositories that one of them wants. */
export type Asker = { readonly principal: string; readonly repository: string };

/** Entries in order of arrival for each asker; askers take turns. */
export type FairQueue<T extends Asker> = {
  readonly size: number;
  push(entry: T): void;
  /** The next whose turn it is and who may go, or undefined. */
  take(mayGo: (entry: T) => boolean): T | undefined;
  /** False: it was not there any more. */
  remove(entry: T): boolean;
  /** Takes out all. */
  clear(): T[];
};

export function createFairQueue<T extends Asker>(): FairQueue<T> {
  // A Map keeps the order in which keys were set: whoever had a turn is set anew, at the end.
  const principals = new Map<string, Map<string, T[]>>();
  let size = 0;

  const rotate = (entry: T, list: T[], repositories: Map<string, T[]>) => {
    repositories.delete(entry.repository);
    if (list.length > 0) repositories.set(entry.repository, list);
    principals.delete(entry.principal);
    if (repositories.size > 0) principals.set(entry.principal, repositories);
  };

  return {
    get size() {
      return size;
    },
    push(entry) {
      const repositories = principals.get(entry.principal) ?? new Map<string, T[]>();
      const list = repositories.get(entry.repository) ?? [];
      list.push(entry);
      repositories.set(entry.repository, list);
      principals.set(entry.principal, repositories);
      size++;
    },
    take(mayGo) {
      for (const repositories of principals.values()) {
        for (const list of repositories.values()) {
          const [entry] = list;
          if (entry === undefined || !mayGo(entry)) continue;
          list.shift();
          size--;
          rotate(entry, list, repositories);
          return entry;
        }
      }
      return undefined;
    },
    remove(entry) {
      const repositories = principals.get(entry.principal);
      const list = repositories?.get(entry.repository);
      const at = list?.indexOf(entry) ?? -1;
      if (!repositories || !list || at < 0) return false;
      list.splice(at, 1);
      size--;
      if (list.length === 0) repositories.delete(entry.repository);
      if (repositories.size === 0) principals.delete(entry.principal);
      return true;
    },
    clear() {
      const all = [...principals.values()].flatMap((repositories) => [...repositories.values()].flat());
      principals.clear();
      size = 0;
      return all;
    },
  };
}
