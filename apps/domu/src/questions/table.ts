/** Rows under a heading, columns as wide as they must be. */
export const table = (
  heading: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string => {
  const all = [heading, ...rows].map((row) => row.map(String));
  const widths = heading.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join('  ')
      .trimEnd();
  const [first, ...rest] = all as [string[], ...string[][]];
  return [line(first), widths.map((width) => '─'.repeat(width)).join('  '), ...rest.map(line)].join(
    '\n',
  );
};
