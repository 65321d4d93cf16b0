/*
 * The pages of docs/questions show what the commands print. A page has a mark where the output of a command belongs:
 *
 *     <!-- domu question 1 -->
 *
 * and behind it, in a block of its own, what the command printed when the page was last written.
 */
const MARK = /^<!-- domu question (\d) -->\n+(?:```\n\$ domu question \d\n(?:.*\n)*?```\n)?\n*/m;

/** The page with the output that belongs there. @throws Error when the page has no mark */
export const withOutput = (page: string, outputOf: (question: string) => string): string => {
  const match = MARK.exec(page);
  if (match === null) throw new Error('expected a mark <!-- domu question N -->, found none');
  const [found, question = ''] = match;
  const block = `<!-- domu question ${question} -->\n\n\`\`\`\n$ domu question ${question}\n${outputOf(question)}\n\`\`\`\n\n`;
  return page.slice(0, match.index) + block + page.slice(match.index + found.length);
};
