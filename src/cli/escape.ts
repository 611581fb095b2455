// Text from outside (a bucket, a file system, a server's answer) made safe to print.

/**
 * Shows what would move the cursor, colour the terminal or turn the direction of text as `\x1b`
 * and the like. Newlines count too: a name must not forge a line of ours.
 */
export function escapeControls(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\u{feff}]/gu, character => {
      const point = character.codePointAt(0) ?? 0
      if (character === '\n') return '\\n'
      if (character === '\t') return '\\t'
      return point < 0x100
        ? `\\x${point.toString(16).padStart(2, '0')}`
        : `\\u${point.toString(16).padStart(4, '0')}`
    })
}

/** The same for text that has lines of its own. */
export function escapeLines(text: string): string[] {
  return text.split('\n').map(escapeControls)
}
