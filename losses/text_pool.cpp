// B samples of this rank, N of the pool, W ids, L = W + 1: a text's length, then its ids.
#include "losses/text_pool.h"

#include <algorithm>

#include "losses/saclm.h"
#include "src/dist/gather.h"

namespace usam::losses {

TextPool pool_texts(const torch::Tensor& ids_BW, const torch::Tensor& lengths_B, dist::Communicator& ranks) {
  if (ranks.world() == 1) return {ids_BW, lengths_B};
  auto all = dist::gather_unequal(torch::cat({to_device(lengths_B, ids_BW.device()).unsqueeze(1), ids_BW}, 1), ranks);
  int64_t widest = 0, first = 0;
  for (const auto& theirs_BL : all) widest = std::max(widest, theirs_BL.size(1));
  for (size_t rank = 0; rank < all.size(); ++rank) {
    if (static_cast<int64_t>(rank) < ranks.rank()) first += all[rank].size(0);
    all[rank] = torch::constant_pad_nd(all[rank], {0, widest - all[rank].size(1)});
  }
  const auto texts_NL = torch::cat(all);
  return {texts_NL.narrow(1, 1, widest - 1), texts_NL.select(1, 0).cpu(), first};
}

torch::Tensor equal_texts(const TextPool& pool) {
  return equal_texts(pool.ids_NW, length_mask(pool.lengths_N, pool.ids_NW.size(1), pool.ids_NW.device()));
}

}  // namespace usam::losses
