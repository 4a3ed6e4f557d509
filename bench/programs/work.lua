-- Classic small programs for the Lua row: queens, binary trees, spectral norm, a sieve, words counted and sorted.
-- Prints what it computes, so that two machines can be compared. Argument: how often.

local times = tonumber(arg[1]) or 10

local function queens(n)
    local columns, up, down, found = {}, {}, {}, 0

    local function place(row)
        if row > n then
            found = found + 1
            return
        end
        for c = 1, n do
            local u, d = row + c, row - c + n
            if not (columns[c] or up[u] or down[d]) then
                columns[c], up[u], down[d] = true, true, true
                place(row + 1)
                columns[c], up[u], down[d] = false, false, false
            end
        end
    end

    place(1)
    return found
end

local function tree(depth)
    if depth == 0 then
        return {}
    end
    return { left = tree(depth - 1), right = tree(depth - 1) }
end

local function count(node)
    if not node.left then
        return 1
    end
    return 1 + count(node.left) + count(node.right)
end

local function spectral(n)
    local function a(i, j)
        local s = i + j
        return 1.0 / (s * (s + 1) // 2 + i + 1)
    end

    local function multiply(v, transposed)
        local out = {}
        for i = 0, n - 1 do
            local sum = 0.0
            for j = 0, n - 1 do
                sum = sum + (transposed and a(j, i) or a(i, j)) * v[j]
            end
            out[i] = sum
        end
        return out
    end

    local u, v = {}, nil
    for i = 0, n - 1 do
        u[i] = 1.0
    end
    for _ = 1, 3 do
        v = multiply(multiply(u, false), true)
        u = multiply(multiply(v, false), true)
    end
    local uv, vv = 0.0, 0.0
    for i = 0, n - 1 do
        uv = uv + u[i] * v[i]
        vv = vv + v[i] * v[i]
    end
    return math.sqrt(uv / vv)
end

local function sieve(n)
    local composite, primes = {}, 0

    for i = 2, n do
        if not composite[i] then
            primes = primes + 1
            for j = i * i, n, i do
                composite[j] = true
            end
        end
    end
    return primes
end

local function words(n)
    local seed, parts, seen, order = 42, {}, {}, {}

    for i = 1, n do
        seed = (seed * 1103515245 + 12345) % 2147483648
        parts[i] = string.format("%c%c%d", 97 + seed % 7, 97 + seed // 64 % 11, seed // 4096 % 50)
    end
    for word in string.gmatch(table.concat(parts, " "), "%a+%d+") do
        if not seen[word] then
            order[#order + 1] = word
        end
        seen[word] = (seen[word] or 0) + 1
    end
    table.sort(order, function(x, y)
        return seen[x] > seen[y] or (seen[x] == seen[y] and x < y)
    end)
    return order[1]:upper() .. seen[order[1]] .. "/" .. #order
end

for _ = 1, times do
    print(queens(6), count(tree(12)), string.format("%.9f", spectral(30)), sieve(30000), words(5000))
end
