#pragma once
// Ranks that were started differently would train nonsense or wait for each other for ever.
#include <string>
#include <utility>
#include <vector>

#include "src/dist/communicator.h"

namespace usam {

// What must be the same on every rank: its name in messages ("config"), and the thing itself as text.
using Agreement = std::vector<std::pair<std::string, std::string>>;

// UserError, on every rank alike, that names the ranks that differ from the first one and in what.
void require_agreement(const Agreement& mine, dist::Communicator& ranks);

}  // namespace usam
