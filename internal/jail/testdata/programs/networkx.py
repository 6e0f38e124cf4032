# packages: python3-networkx python3-matplotlib python3-scipy
import networkx as nx, matplotlib.pyplot as plt
G=nx.karate_club_graph(); print(nx.shortest_path(G,0,33), round(nx.pagerank(G)[0],4), len(list(nx.community.greedy_modularity_communities(G))))
nx.draw(G,nx.spring_layout(G,seed=1)); plt.savefig('g.png'); nx.write_graphml(G,'g.graphml'); print(nx.read_graphml('g.graphml').number_of_nodes())
