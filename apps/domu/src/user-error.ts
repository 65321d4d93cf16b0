/** What the user did or asked for cannot be: one sentence and exit status 1, nothing lost. */
export class UserError extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'UserError';
  }
}
