#include "recipes/usam/work_shares.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace usam::recipes {
namespace {

constexpr double kEven = 1.02;  // of the mean thread's time: not worth another cut

struct Priced {
  WorkShare share;
  double cost = 0;
};

// When the last of the threads ends.
double end_of(const std::vector<Priced>& costliest_first, int64_t threads) {
  std::vector<double> ends(static_cast<size_t>(threads), 0);
  for (const Priced& next : costliest_first) *std::ranges::min_element(ends) += next.cost;
  return std::ranges::max(ends);
}

}  // namespace

std::vector<WorkShare> even_shares(std::vector<WorkShare> shares, int64_t threads, double most,
                                   const std::function<double(const WorkShare&)>& cost) {
  std::vector<Priced> all, best;
  const auto put = [&](WorkShare share) {
    const double price = cost(share);
    const auto behind = std::ranges::upper_bound(all, price, std::greater<>(), &Priced::cost);
    all.insert(behind, {std::move(share), price});
  };
  for (WorkShare& share : shares) put(std::move(share));
  double earliest = std::numeric_limits<double>::infinity();
  while (true) {
    const double end = end_of(all, threads);
    if (end < earliest) earliest = end, best = all;
    const double total =
        std::accumulate(all.begin(), all.end(), 0.0, [](double sum, const Priced& x) { return sum + x.cost; });
    if (end <= kEven * total / static_cast<double>(threads)) break;
    const auto cut = std::ranges::find_if(all, [](const Priced& x) { return x.share.items.size() > 1; });
    if (cut == all.end()) break;
    WorkShare first = std::move(cut->share);
    all.erase(cut);
    const auto half = first.items.begin() + std::ssize(first.items) / 2;
    WorkShare second{first.kind, {half, first.items.end()}};
    first.items.erase(half, first.items.end());
    put(std::move(first)), put(std::move(second));
  }
  if (earliest > most) return {};
  std::vector<WorkShare> given;
  for (Priced& x : best) given.push_back(std::move(x.share));
  return given;
}

}  // namespace usam::recipes
