// The configuration's shape as JSON Schema, so that editors complete, explain and check it.

import * as z from 'zod'
import { fileSchema, namePattern } from './schema.ts'

/**
 * JSON Schema (2020-12). What concerns more than one place, such as a reference to a remote, is
 * known to `btrvault config check` only.
 */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(fileSchema(), {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      if (typeof jsonSchema.additionalProperties === 'object') {
        jsonSchema.propertyNames = { pattern: namePattern.source }
        jsonSchema.minProperties = 1
      }
    },
  })
  return { ...schema, title: 'btrvault configuration' }
}
