/** How deep a configuration is taken apart; nothing that libxl writes goes deeper than six. */
const MAX_DEPTH = 32;

/** Every leaf of a value by its path, `disks[0].vdev`. What is nested too deeply, or undefined, is left out. */
export const flatJson = (value: unknown): Map<string, unknown> => {
  const leaves = new Map<string, unknown>();
  const walk = (inner: unknown, path: string, depth: number): void => {
    if (typeof inner !== 'object' || inner === null) {
      if (inner !== undefined) leaves.set(path, inner);
      return;
    }
    if (depth > MAX_DEPTH) return;
    const isList = Array.isArray(inner);
    for (const [key, item] of Object.entries(inner)) {
      walk(item, isList ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`, depth + 1);
    }
  };
  walk(value, '', 0);
  return leaves;
};

/** Whether a value of JSON has no more levels than are taken apart. */
export const isShallow = (value: unknown): boolean => {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    level = level.flatMap((item) =>
      typeof item === 'object' && item !== null ? Object.values(item) : [],
    );
    if (level.length === 0) return true;
  }
  return false;
};
