/*
 * The pages of docs/questions show what the commands print. A page has a mark where the output of a command belongs:
 *
 *     <!-- domu question 1 -->
 *
 * and behind it, in a block of its own, what the command printed when the page was last written.
 */
const MARK = /^<!-- domu (.+) -->\n+(?:```\n\$ domu \1\n(?:.*\n)*?```\n)?\n*/m;

/** The page with the output that belongs there. @param outputOf of a command without its `domu` @throws Error when the page has no mark */
export const withOutput = (page: string, outputOf: (command: string) => string): string => {
  const match = MARK.exec(page);
  if (match === null) throw new Error('expected a mark <!-- domu COMMAND -->, found none');
  const [found, command = ''] = match;
  const output = outputOf(command).replace(/\n$/, '');
  const block = `<!-- domu ${command} -->\n\n\`\`\`\n$ domu ${command}\n${output}\n\`\`\`\n\n`;
  return page.slice(0, match.index) + block + page.slice(match.index + found.length);
};
