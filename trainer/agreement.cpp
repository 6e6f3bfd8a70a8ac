#include "trainer/agreement.h"

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/json.h"
#include "src/base/text.h"
#include "src/dist/gather.h"

namespace usam {

void require_agreement(const Agreement& mine, dist::Communicator& ranks) {
  if (ranks.world() == 1) return;
  Json hashes = Json::array();
  for (const auto& [name, text] : mine) hashes.push_back(sha256_text(text));
  std::vector<Json> all;
  for (const std::string& text : dist::gather_texts(hashes.dump(), ranks)) all.push_back(Json::parse(text));
  std::vector<std::string> problems;
  for (size_t rank = 1; rank < all.size(); ++rank) {
    std::vector<std::string> different;
    for (size_t i = 0; i < mine.size(); ++i) {
      if (all[rank][i] != all[0][i]) different.push_back(mine[i].first);
    }
    if (!different.empty()) problems.push_back(fmt::format("rank {} has another {}", rank, join_words(different)));
  }
  if (!problems.empty())
    user_error("The ranks were not started alike: {} than rank 0. Start all with the same command and the same files.",
               join_words(problems));
}

}  // namespace usam
