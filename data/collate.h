#pragma once
#include <map>
#include <string>
#include <vector>

#include "data/batch.h"

namespace usam::data {

// Puts examples together field by field as the specs say. Each example must hold every field; of a field's tensors only
// the first axis may differ. A padded field of scalars becomes (B) with lengths 1. No examples give no fields.
std::map<std::string, BatchField> collate(const std::vector<FieldSpec>& specs, const std::vector<Example>& examples);

}  // namespace usam::data
