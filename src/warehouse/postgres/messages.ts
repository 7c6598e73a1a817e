// What the server's messages tell of a statement's result.

export interface ResultField {
  name: string
  typeOid: number
  typeModifier: number
}

/** Cells are the server's texts. */
export type TextRow = readonly (string | null)[]

export type Message = { fields: { name: string; dataTypeID: number; dataTypeModifier: number }[] }

export function resultFields({ fields }: Message): ResultField[] {
  return fields.map(({ name, dataTypeID, dataTypeModifier }) => ({
    name,
    typeOid: dataTypeID,
    typeModifier: dataTypeModifier,
  }))
}
