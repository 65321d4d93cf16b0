/*
 * An absolute path is "/" or "/" followed by names with one "/" between two of them; a name is of letters, digits
 * and - _ @ (docs/misc/xenstore.txt). Every path within the daemon is absolute, or special: "@…".
 */
const ABSOLUTE = /^\/(?:[-\w@]+(?:\/[-\w@]+)*)?$/;
const LOCAL_DOMAIN = /^\/local\/domain\/\d{1,5}\//;

/** Whether `path` can be a node's path; the part under /local/domain/N/, or all of it, has at most `limit` bytes. */
export const isNodePath = (path: string, limit: number): boolean => {
  if (!ABSOLUTE.test(path)) return false;
  if (path.length <= limit) return true;
  const local = LOCAL_DOMAIN.exec(path);
  return local !== null && path.length - local[0].length <= limit;
};

/** The names a path consists of; none for "/". */
export const namesOf = (path: string): string[] =>
  path.length === 1 ? [] : path.slice(1).split('/');

/** The path of the first `count` names. */
export const pathOf = (names: readonly string[], count: number = names.length): string =>
  `/${count === names.length ? names.join('/') : names.slice(0, count).join('/')}`;

/** The path a domain's relative paths start from. */
export const homeOf = (domid: number): string => `/local/domain/${domid}`;

/** Whether `path` starts as a special watch or node does. */
export const isSpecial = (path: string): boolean => path.startsWith('@');
